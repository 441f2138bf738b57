from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, Versioned
from app.models.integration import OfIntegration, belongs_to_an_integration


class HandlerMode(StrEnum):
    ASYNC = "async"
    SYNC = "sync"


class HandlerSource(StrEnum):
    MANUAL = "manual"
    OPENAPI = "openapi"


class Handler(Versioned, OfIntegration):
    """What answers at ``/webhook/<name>``: arguments laid over defaults, sent to a target."""

    __tablename__ = "handlers"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        belongs_to_an_integration(),
        CheckConstraint("mode IN ('async', 'sync')", name="mode"),
        CheckConstraint("source IN ('manual', 'openapi')", name="source"),
        Index("ix_handlers_tenant_id_integration_id_name", "tenant_id", "integration_id", "name"),
    )

    name: Mapped[str]
    summary: Mapped[str | None]
    default_args: Mapped[Json] = mapped_column(default=dict)
    mode: Mapped[str] = mapped_column(default=HandlerMode.ASYNC)
    methods: Mapped[list[str]] = mapped_column(default=lambda: ["POST"])
    target: Mapped[Json]
    verification: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    body_limit: Mapped[int | None]
    raw_body: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether an operation is called with a body that claims to be JSON and is not."""
    validate_args: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    """Whether the arguments of a synced operation are checked against its schema before the call."""
    rate_limit: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    allowed_cidrs: Mapped[list[str] | None]
    """Networks in the form of ``app.core.networks``; None: everybody may call."""
    enabled: Mapped[bool] = mapped_column(default=True)

    source: Mapped[str] = mapped_column(default=HandlerSource.MANUAL)
    operation_id: Mapped[str | None]
    operation_method: Mapped[str | None]
    operation_path: Mapped[str | None]
    baseline_args: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """What the last sync put into ``default_args``; what differs from it, a person wrote."""
    orphaned_args: Mapped[list[str]] = mapped_column(default=list)
    missing_since: Mapped[datetime | None]
