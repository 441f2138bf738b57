from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, TenantScoped


class KeyState(StrEnum):
    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt_only"


class SystemKey(Base):
    """A key of the whole installation (token pepper, cursor key), wrapped by a master key.

    That every row opens with the configured master keys is the boot check.
    """

    __tablename__ = "system_keys"

    name: Mapped[str] = mapped_column(primary_key=True)
    master_key_id: Mapped[str]
    wrapped: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TenantKey(TenantScoped):
    """One generation of a tenant's data key, wrapped by a master key. ``id`` is the key id in envelopes."""

    __tablename__ = "tenant_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "generation"),
        CheckConstraint("state IN ('active', 'decrypt_only')", name="state"),
    )

    generation: Mapped[int]
    master_key_id: Mapped[str]
    wrapped: Mapped[bytes]
    state: Mapped[str] = mapped_column(default=KeyState.ACTIVE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
