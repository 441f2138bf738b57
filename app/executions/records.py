"""What is written down about attempts: the rows, the event of every end, and the audit record."""

from collections.abc import Iterable, Mapping
from typing import Final

from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Actor, Context, Origin
from app.core.ids import TenantId
from app.db.base import Json
from app.events.publisher import EventPublisher
from app.executions.caller import Outcome
from app.executions.ending import Ending
from app.executions.repository import Claimed, Records
from app.models import AuditAction, EventType, ExecutionStatus, Trigger

MAX_KEPT_BODY: Final = 64 * 1024
"""Bytes of an upstream's answer that are stored with the attempt."""

_EVENTS: Final = {
    ExecutionStatus.SUCCEEDED: EventType.EXECUTION_SUCCEEDED,
    ExecutionStatus.FAILED: EventType.EXECUTION_FAILED,
    ExecutionStatus.DEAD: EventType.EXECUTION_DEAD,
}


def records(tenant_id: TenantId, ended: Iterable[tuple[Claimed, Outcome, Ending]]) -> Records:
    """A row for each attempt to reach an upstream, which a request that was only stored has not; an event for
    each execution that ended; an audit record where nobody with a token started it."""
    made = Records()
    for row, outcome, ending in ended:
        if outcome.method is not None or outcome.failure is not None:
            made.attempts.append(_attempt(tenant_id, row, outcome))
        if not ending.is_final:
            continue
        context, summary, id = _context(tenant_id, row), _summary(row, ending), str(row.id)
        made.events.append(
            EventPublisher.row(context, _EVENTS[ending.status], id, summary, sequence=row.attempt_count + 1)
        )
        if row.trigger == Trigger.WEBHOOK:
            resource = Resource("execution", id, integration_id=row.integration_id)
            made.audit_records.append(
                AuditRecorder.row(context, AuditAction.HANDLER_EXECUTED, resource, summary)
            )
    return made


def _attempt(tenant_id: TenantId, row: Claimed, outcome: Outcome) -> Json:
    return {
        "tenant_id": tenant_id,
        "execution_id": row.id,
        "number": row.attempt_count + 1,
        "started_at": outcome.started_at,
        "duration_ms": outcome.duration_ms,
        "request_method": outcome.method,
        "request_url": outcome.url,
        "status_code": outcome.status_code,
        "error": outcome.error,
        "response_headers": [list(header) for header in outcome.headers],
        "response_body": outcome.body[:MAX_KEPT_BODY],
        "response_truncated": outcome.is_truncated or len(outcome.body) > MAX_KEPT_BODY,
    }


def _context(tenant_id: TenantId, row: Claimed) -> Context:
    origin = Origin(request_id=row.request_id, ip=row.peer)
    return Context(tenant_id, "", Actor(row.trigger, str(row.handler_id), "handler"), origin=origin)


def _summary(row: Claimed, ending: Ending) -> Mapping[str, object]:
    return {
        "handler_id": str(row.handler_id),
        "trigger": row.trigger,
        "status": ending.status,
        "attempts": row.attempt_count + 1,
    }
