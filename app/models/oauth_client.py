from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import OVERHEAD
from app.db.base import TenantScoped, Versioned


class OAuthClient(Versioned, TenantScoped):
    """What a provider knows a tenant as: one registration for each connector."""

    __tablename__ = "oauth_clients"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connector"),
        CheckConstraint(f"octet_length(sealed) >= {OVERHEAD} AND get_byte(sealed, 0) = 1", name="sealed"),
    )

    connector: Mapped[str]
    client_id: Mapped[str]
    sealed: Mapped[bytes | None]
    """The client secret; None of a public client."""
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(TEXT))
    """That are asked for; None: those of the connector."""
    generation: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Another one whenever id or secret is: tokens are bound to the client that they were made for."""
