from enum import StrEnum

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import OVERHEAD
from app.db.base import Versioned
from app.models.integration import OfIntegration, belongs_to_an_integration


def is_an_envelope(column: str = "sealed") -> CheckConstraint:
    """The database itself refuses plaintext in a sealed column."""
    return CheckConstraint(f"octet_length({column}) >= {OVERHEAD} AND get_byte({column}, 0) = 1", name=column)


class Secret(Versioned, OfIntegration):
    """A write-only value: opened inside the process when a handler runs, shown to nobody."""

    __tablename__ = "secrets"
    __table_args__ = (
        UniqueConstraint("tenant_id", "integration_id", "key"),
        belongs_to_an_integration(),
        is_an_envelope(),
    )

    key: Mapped[str]
    sealed: Mapped[bytes]


class CredentialSource(StrEnum):
    MANUAL = "manual"
    OAUTH = "oauth"


class Credential(Versioned, OfIntegration):
    """A value that a person with ``credentials:read`` may see again. Sealed at rest like a secret."""

    __tablename__ = "credentials"
    __table_args__ = (
        UniqueConstraint("tenant_id", "integration_id", "key"),
        belongs_to_an_integration(),
        is_an_envelope(),
    )

    key: Mapped[str]
    sealed: Mapped[bytes]
    source: Mapped[str] = mapped_column(default=CredentialSource.MANUAL)
