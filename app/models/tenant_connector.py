from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from app.db.base import Json, TenantScoped, Versioned


class TenantConnector(Versioned, TenantScoped):
    """A connector that a tenant made, or what it has otherwise than the catalogue."""

    __tablename__ = "tenant_connectors"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)

    slug: Mapped[str]
    record: Mapped[Json]
    """A JSON Merge Patch (RFC 7396) of the catalogue's record, or of nothing."""
