from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import new_id
from app.db.base import Base, Json, Versioned


class TenantStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Tenant(Versioned, Base):
    """The directory of tenants: what operators manage. It has no row-level security and holds no secret."""

    __tablename__ = "tenants"
    __table_args__ = (
        UniqueConstraint("slug"),
        UniqueConstraint("creation_key"),
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default=TenantStatus.ACTIVE)
    limits: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """What an operator allows it (``app.tenants.limits``); None: what the service allows everybody."""
    creation_key: Mapped[bytes | None]
    """SHA-256 of the ``Idempotency-Key`` it was made with, by which a repeated request finds it."""
    creation_fingerprint: Mapped[bytes | None]
