from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, TenantScoped
from app.models.integration import belongs_to_an_integration


class OpenApiDocument(TenantScoped):
    """A synced API description: where it came from, and the bytes, compressed."""

    __tablename__ = "openapi_documents"
    __table_args__ = (
        belongs_to_an_integration(),
        Index("ix_openapi_documents_tenant_id_integration_id", "tenant_id", "integration_id", "created_at"),
    )

    integration_id: Mapped[UUID]
    source: Mapped[str]
    content_hash: Mapped[str]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    openapi_version: Mapped[str]
    compressed: Mapped[bytes]
    """zlib."""
    settled: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """Under which circumstances the next sync has nothing to do, and what it would answer then."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
