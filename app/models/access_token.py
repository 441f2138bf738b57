from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from app.db.base import TenantScoped, Timestamped


class AccessToken(Timestamped, TenantScoped):
    """A token's keyed hash and what it grants; the token itself is nowhere."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        UniqueConstraint("tenant_id", "hash"),
        Index("ix_access_tokens_tenant_id_integration_id", "tenant_id", "integration_id"),
        Index("ix_access_tokens_hash", "hash", postgresql_using="hash"),
        ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["integrations.tenant_id", "integrations.id"],
            ondelete="CASCADE",
        ),
    )

    name: Mapped[str]
    hash: Mapped[bytes]
    prefix: Mapped[str]
    scopes: Mapped[list[str]]
    integration_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
