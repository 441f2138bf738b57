from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, Versioned
from app.models.integration import OfIntegration, belongs_to_an_integration
from app.models.sealed_value import is_an_envelope


class SyncOutcome(StrEnum):
    APPLIED = "applied"
    UNCHANGED = "unchanged"
    HELD = "held"
    """Something waits for a person, whatever else was applied."""
    FAILED = "failed"


class SyncSchedule(Versioned, OfIntegration):
    """From where, how often and how far an integration is synced again without anybody asking."""

    __tablename__ = "sync_schedules"
    __table_args__ = (
        UniqueConstraint("tenant_id", "integration_id"),
        belongs_to_an_integration(),
        is_an_envelope(),
        CheckConstraint("apply IN ('additive', 'all', 'none')", name="apply"),
        CheckConstraint("last_outcome IN ('applied', 'unchanged', 'held', 'failed')", name="last_outcome"),
        CheckConstraint("(due_at IS NOT NULL) = enabled", name="due"),
        Index("ix_sync_schedules_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_sync_schedules_leased", "tenant_id", postgresql_where=text("leased_until IS NOT NULL")),
    )

    request: Mapped[Json]
    """What a sync is asked for, as the API takes it, but for the address."""
    sealed: Mapped[bytes | None]
    """The address, whose query may hold a key; None where ``request`` names the document."""
    source: Mapped[str | None]
    """The address as it is shown."""
    interval_seconds: Mapped[int]
    apply: Mapped[str]
    enabled: Mapped[bool]
    due_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    """While a worker runs it; beside ``due_at``, so that asking for a run does not end a lease."""
    fence: Mapped[int] = mapped_column(default=0)
    last_run_at: Mapped[datetime | None]
    last_outcome: Mapped[str | None]
    last_error: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    consecutive_failures: Mapped[int] = mapped_column(default=0)
    held: Mapped[list[Json]] = mapped_column(JSONB, default=list)
    """What waits for a person, each with the id of the document that its handler last agreed with."""
