from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, TenantScoped


class ReplayStatus(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class Replay(TenantScoped):
    """A range of ended executions that is being run again, in turns that any worker may take."""

    __tablename__ = "replays"
    __table_args__ = (
        CheckConstraint("status IN ('running', 'finished', 'cancelled')", name="status"),
        CheckConstraint("(due_at IS NULL) = (status <> 'running')", name="due"),
        Index("ix_replays_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    filter: Mapped[Json]
    """As the API takes it, defaults written out."""
    rate_per_second: Mapped[int]
    status: Mapped[str] = mapped_column(default=ReplayStatus.RUNNING)
    matched: Mapped[int] = mapped_column(default=0)
    replayed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    cursor: Mapped[UUID]
    """The last execution that was dealt with: it moves in the transaction that stores the new ones."""
    request_id: Mapped[str | None]
    due_at: Mapped[datetime | None]
    """When a worker may take the next turn; while one does, the end of its lease."""
    fence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    finished_at: Mapped[datetime | None]
