"""One line in the caller's transaction: no event without its change, no change without its event."""

from collections.abc import Iterable, Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.context import Context
from app.core.ids import new_id
from app.db.base import Json
from app.events.repository import EventRepository
from app.models import Event, EventType


class EventPublisher:
    def __init__(self, session: AsyncSession, context: Context) -> None:
        self._session = session
        self._context = context

    def publish(
        self,
        type: EventType,
        resource_id: object,
        payload: Mapping[str, object] | None = None,
        *,
        sequence: int = 1,
    ) -> None:
        """``sequence``: the version of the resource that this change made. No secret in the payload, ever."""
        row = self.row(self._context, type, resource_id, payload or {}, sequence=sequence)
        self._session.add(Event(**row))

    async def publish_all(
        self, events: Iterable[tuple[EventType, object, Mapping[str, object], int]]
    ) -> None:
        """``publish`` for thousands: type, resource's id, payload and sequence of each."""
        rows = [
            self.row(self._context, type, id, payload, sequence=sequence)
            for type, id, payload, sequence in events
        ]
        await EventRepository(self._session, self._context.tenant_id).insert_all(rows)

    @staticmethod
    def row(
        context: Context,
        type: EventType,
        resource_id: object,
        payload: Mapping[str, object],
        *,
        sequence: int,
    ) -> Json:
        """An event as its row, for who inserts them by the hundred."""
        return {
            "tenant_id": context.tenant_id,
            "id": new_id(),
            "type": type,
            "resource_type": type.partition(".")[0],
            "resource_id": str(resource_id),
            "actor_type": context.actor.type,
            "actor_id": context.actor.id,
            "correlation_id": context.origin.request_id,
            "sequence": sequence,
            "payload": dict(payload),
        }
