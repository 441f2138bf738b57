from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import TenantId
from app.db.base import Base, TenantScoped
from app.models.sealed_value import is_an_envelope

Headers = list[list[str]]
"""Pairs in the order of the wire: names may repeat."""


class ExecutionStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    WEBHOOK = "webhook"
    MANUAL = "manual"
    TEST = "test"
    REPLAY = "replay"


def belongs_to_a_handler() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "handler_id"], ["handlers.tenant_id", "handlers.id"], ondelete="CASCADE"
    )


class Execution(TenantScoped):
    """One run of a handler: the request as it came, and what became of it. It is its own queue entry.

    One partition a day, by the time in the id. No foreign key, because each would be checked for each
    webhook: admission locks the handlers of a batch, and a trigger takes the executions along when one goes.
    """

    __tablename__ = "executions"
    __table_args__ = (
        CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled')", name="status"
        ),
        CheckConstraint("(due_at IS NULL) = (status NOT IN ('queued', 'running'))", name="due"),
        Index("ix_executions_lane", "lane", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_executions_integration", "tenant_id", "integration_id", "id"),
        Index("ix_executions_handler", "tenant_id", "handler_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    tenant_id: Mapped[TenantId] = mapped_column(Uuid, primary_key=True)
    integration_id: Mapped[UUID]
    handler_id: Mapped[UUID]
    lane: Mapped[int]
    """What this tenant sends to this upstream; see ``app.executions.lanes``."""
    trigger: Mapped[str]
    status: Mapped[str] = mapped_column(default=ExecutionStatus.QUEUED)
    status_reason: Mapped[str | None]
    replay_of: Mapped[UUID | None]
    request_id: Mapped[str | None]
    trace_parent: Mapped[str | None]
    """The span that admitted it (W3C Trace Context, section 3.2)."""

    method: Mapped[str]
    query: Mapped[str] = mapped_column(default="")
    headers: Mapped[Headers] = mapped_column(JSON, default=list)
    body: Mapped[bytes] = mapped_column(default=b"")
    peer: Mapped[str | None]

    max_attempts: Mapped[int]
    attempt_count: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
    """When a worker may claim it: the next attempt of a queued one, the end of a running one's lease."""
    fence: Mapped[int] = mapped_column(default=0)
    """Counts claims. Who finishes must still hold it: a worker that woke up late changes nothing."""
    created_at: Mapped[datetime]
    """The moment in the id, to the millisecond."""
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One call of the upstream. Secrets are redacted before it is stored. Goes with its execution's day."""

    __tablename__ = "attempts"
    __table_args__ = ({"postgresql_partition_by": "RANGE (execution_id)"},)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]
    request_method: Mapped[str | None]
    request_url: Mapped[str | None]
    status_code: Mapped[int | None]
    error: Mapped[str | None]
    response_headers: Mapped[Headers] = mapped_column(JSON, default=list)
    response_body: Mapped[bytes | None]
    response_truncated: Mapped[bool] = mapped_column(default=False)

    @property
    def content_type(self) -> str:
        """Of the answer."""
        found = (value for name, value in self.response_headers if name.lower() == "content-type")
        return next(found, "application/octet-stream")


class DedupKey(Base):
    """A provider's delivery id that a handler has seen, and the execution it became.

    One partition a week (``week``: whole weeks since 1970): a key is known for one to two of them.
    """

    __tablename__ = "dedup_keys"
    __table_args__ = ({"postgresql_partition_by": "LIST (week)"},)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    handler_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    week: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    execution_id: Mapped[UUID]


class RejectedRequest(TenantScoped):
    """A webhook that failed verification, kept 72 hours for the tenant to see why, and to release."""

    __tablename__ = "rejected_requests"
    __table_args__ = (
        belongs_to_a_handler(),
        Index(
            "ix_rejected_requests_tenant_id_handler_id_created_at",
            "tenant_id",
            "handler_id",
            "created_at",
            "id",
        ),
        Index("ix_rejected_requests_created_at", "created_at"),
        is_an_envelope(),
    )

    handler_id: Mapped[UUID]
    reason: Mapped[str]
    method: Mapped[str]
    query: Mapped[str]
    headers: Mapped[Headers] = mapped_column(JSONB)
    body: Mapped[bytes]
    is_whole: Mapped[bool] = mapped_column(default=True)
    """Whether the body is all that came."""
    peer: Mapped[str | None]
    sealed: Mapped[bytes | None]
    """What is not shown and verifying it again takes: sensitive headers, the address, the token."""
    execution_id: Mapped[UUID | None]
    """What it became when it was released."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
