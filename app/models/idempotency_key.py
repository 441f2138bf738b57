from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, TenantScoped
from app.models.sealed_value import is_an_envelope


class IdempotencyKey(TenantScoped):
    """The answer that a repeated request gets again. The body may hold a token, so it is sealed."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key", "method", "path"),
        is_an_envelope("sealed_body"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    key: Mapped[str]
    method: Mapped[str]
    path: Mapped[str]
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    headers: Mapped[Json] = mapped_column(JSONB)
    sealed_body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
