"""How a request becomes an execution: a row that waits for a worker, or that its maker runs at once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.core.ids import TenantId, moment_of, new_id
from app.engine.claim import Claim
from app.executions.lanes import lane_of, upstream_of
from app.handlers.arguments import Policy, policy
from app.handlers.targets import TARGET, parameter_names
from app.models import ExecutionStatus, Handler, Trigger

HELD_BEYOND_TIMEOUT: Final = timedelta(seconds=15)
"""A maker that dies leaves its execution to the workers this long after the upstream's time was up."""

_AT_ONCE: Final = timedelta()


@dataclass(slots=True, kw_only=True)
class Received:
    """A request as it came. ``headers`` without those that must not be kept."""

    method: str
    query: str = ""
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    peer: str | None = None
    request_id: str | None = None
    trace_parent: str | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """What admission needs to know of a handler, worked out once per handler and not once per request."""

    tenant_id: TenantId
    integration_id: UUID
    handler_id: UUID
    lane: int
    policy: Policy
    as_json: Mapping[str, object] = field(init=False, repr=False)
    """What every new row of the handler has in common, as admission writes it."""

    def __post_init__(self) -> None:
        ids = {name: str(getattr(self, name)) for name in ("tenant_id", "integration_id", "handler_id")}
        object.__setattr__(self, "as_json", {**ids, "lane": self.lane})


@dataclass(slots=True, kw_only=True)
class NewExecution:
    """One row to be. ``due_in``: from the moment the database stores it.

    Neither this nor ``Received`` is frozen: they are made for each webhook, and that would cost more.
    """

    recipient: Recipient
    received: Received = field(repr=False)
    id: UUID
    created_at: datetime
    trigger: Trigger
    status: ExecutionStatus
    max_attempts: int
    due_in: timedelta = _AT_ONCE
    fence: int = 0
    replay_of: UUID | None = None
    key: str | None = None
    """What identifies the delivery: the same one again makes no other execution of the handler."""

    @property
    def claim(self) -> Claim:
        """The claim that whoever made a held execution has on it."""
        return Claim(self.recipient.tenant_id, self.id, self.fence, self.recipient.lane)


def recipient_of(handler: Handler, base_url: str | None) -> Recipient:
    """``base_url``: the integration's."""
    target = TARGET.validate_python(handler.target)
    tenant_id = TenantId(handler.tenant_id)
    return Recipient(
        tenant_id=tenant_id,
        integration_id=handler.integration_id,
        handler_id=handler.id,
        lane=lane_of(tenant_id, upstream_of(target, base_url)),
        policy=policy(handler.default_args, parameter_names(target)),
    )


def queue(
    recipient: Recipient,
    trigger: Trigger,
    received: Received,
    *,
    key: str | None = None,
    replay_of: UUID | None = None,
    id: UUID | None = None,
) -> NewExecution:
    """An execution that the next free worker takes. ``id``: one that was made for it a moment ago."""
    id = id or new_id()
    return NewExecution(
        recipient=recipient,
        received=received,
        id=id,
        created_at=moment_of(id),
        trigger=trigger,
        status=ExecutionStatus.QUEUED,
        max_attempts=recipient.policy.retries + 1,
        replay_of=replay_of,
        key=key,
    )


def hold(
    recipient: Recipient, trigger: Trigger, received: Received, *, key: str | None = None
) -> NewExecution:
    """An execution that its maker runs now: once, for whoever waits for the answer decides on a retry."""
    id = new_id()
    return NewExecution(
        recipient=recipient,
        received=received,
        id=id,
        created_at=moment_of(id),
        trigger=trigger,
        status=ExecutionStatus.RUNNING,
        max_attempts=1,
        due_in=timedelta(milliseconds=recipient.policy.timeout_ms) + HELD_BEYOND_TIMEOUT,
        fence=1,
        key=key,
    )
