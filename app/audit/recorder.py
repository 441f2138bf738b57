"""One line in the caller's transaction: a change and its record live or die together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository import AuditRepository
from app.auth.context import Context
from app.core.ids import new_id
from app.db.base import Json, is_same
from app.models import AuditAction, AuditOutcome, AuditRecord


@dataclass(frozen=True, slots=True)
class Resource:
    """What was touched, as the log shows it once the row is gone."""

    type: str
    id: UUID | str
    name: str | None = None
    integration_id: UUID | None = None


class AuditRecorder:
    def __init__(self, session: AsyncSession, context: Context) -> None:
        self._session = session
        self._context = context

    def record(
        self,
        action: AuditAction,
        resource: Resource,
        changes: Mapping[str, object] | None = None,
        *,
        outcome: AuditOutcome = AuditOutcome.SUCCESS,
    ) -> None:
        """``changes``: field to ``{"before": …, "after": …}``, shown as the API names it; never a secret."""
        row = self.row(self._context, action, resource, changes or {}, outcome=outcome)
        self._session.add(AuditRecord(**row))

    async def record_all(self, entries: Iterable[tuple[AuditAction, Resource, Mapping[str, object]]]) -> None:
        """``record`` for thousands: as rows, because objects would keep the event loop busy for long."""
        rows = [self.row(self._context, *entry) for entry in entries]
        await AuditRepository(self._session, self._context.tenant_id).insert_all(rows)

    @staticmethod
    def row(
        context: Context,
        action: AuditAction,
        resource: Resource,
        changes: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.SUCCESS,
    ) -> Json:
        """A record as its row, for who inserts them by the hundred."""
        return {
            "tenant_id": context.tenant_id,
            "id": new_id(),
            "integration_id": resource.integration_id,
            "actor_type": context.actor.type,
            "actor_id": context.actor.id,
            "actor_name": context.actor.name,
            "action": action,
            "resource_type": resource.type,
            "resource_id": str(resource.id),
            "resource_name": resource.name,
            "changes": {_camel(field): change for field, change in changes.items()},
            "ip": context.origin.ip,
            "user_agent": context.origin.user_agent,
            "request_id": context.origin.request_id,
            "outcome": outcome,
        }


def difference(before: Json, after: Json) -> Json:
    """What changed between two states of one resource; ``{}`` when nothing did."""
    return {
        field: {"before": before.get(field), "after": after.get(field)}
        for field in sorted(before.keys() | after.keys())
        if not is_same(before.get(field), after.get(field))
    }


# There are as many as the models have fields.
_camel = lru_cache(maxsize=1024)(to_camel)

REDACTED = {"before": "[redacted]", "after": "[redacted]"}
"""The change of a value that nobody may read."""
