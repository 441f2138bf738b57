from uuid import UUID

from pydantic.alias_generators import to_camel

from app.audit.recorder import AuditRecorder, Resource, difference
from app.core.pagination import Page, PageRequest
from app.db.base import Json
from app.db.precondition import Precondition
from app.events.publisher import EventPublisher
from app.integrations.links import Link, fill
from app.integrations.repository import IntegrationRepository
from app.integrations.schemas import IntegrationCreate, IntegrationUpdate
from app.models import AuditAction, EventType, Integration

SHOWN = ("name", "connector", "enabled", "base_url", "settings", "links")


class IntegrationService:
    def __init__(
        self, integrations: IntegrationRepository, audit: AuditRecorder, events: EventPublisher
    ) -> None:
        self._integrations = integrations
        self._audit = audit
        self._events = events

    async def page(self, search: str | None, request: PageRequest) -> Page[Integration]:
        return await self._integrations.page(self._integrations.matching(search), request)

    async def get(self, id: UUID) -> Integration:
        return await self._integrations.get(id)

    async def links(self, id: UUID) -> list[Link]:
        row = await self._integrations.get(id)
        templates = {key: str(template) for key, template in row.links.items()}
        return fill(templates, name=row.name, base_url=row.base_url, id=str(row.id))

    async def create(self, data: IntegrationCreate) -> Integration:
        row = Integration(
            **{field: getattr(data, field) for field in SHOWN}, folded_name=data.name.casefold()
        )
        await self._integrations.add(row)
        self._audit.record(AuditAction.INTEGRATION_CREATED, resource(row), difference({}, snapshot(row)))
        self._events.publish(EventType.INTEGRATION_CREATED, row.id, {"name": row.name})
        return row

    async def update(self, id: UUID, data: IntegrationUpdate, condition: Precondition) -> Integration:
        """Change the fields that were given; a change of nothing leaves no record."""
        return await self._change(
            id, data.given(), condition, AuditAction.INTEGRATION_UPDATED, EventType.INTEGRATION_UPDATED
        )

    async def enable(self, id: UUID) -> Integration:
        return await self._change(
            id,
            {"enabled": True},
            Precondition(),
            AuditAction.INTEGRATION_ENABLED,
            EventType.INTEGRATION_ENABLED,
        )

    async def disable(self, id: UUID) -> Integration:
        return await self._change(
            id,
            {"enabled": False},
            Precondition(),
            AuditAction.INTEGRATION_DISABLED,
            EventType.INTEGRATION_DISABLED,
        )

    async def delete(self, id: UUID, condition: Precondition) -> None:
        """Everything under it goes with it, except its audit records."""
        row = await self._integrations.get(id)
        condition.check(row)
        self._audit.record(AuditAction.INTEGRATION_DELETED, resource(row), difference(snapshot(row), {}))
        self._events.publish(
            EventType.INTEGRATION_DELETED, row.id, {"name": row.name}, sequence=row.version + 1
        )
        await self._tell_of_tools(row)
        await self._integrations.delete(row)

    async def _change(
        self, id: UUID, values: Json, condition: Precondition, action: AuditAction, event: EventType
    ) -> Integration:
        row = await self._integrations.get(id)
        condition.check(row)
        before = snapshot(row)
        for field, value in values.items():
            setattr(row, field, value)
        row.folded_name = row.name.casefold()
        changes = difference(before, snapshot(row))
        if changes:
            await self._integrations.save(row)
            self._audit.record(action, resource(row), changes)
            self._events.publish(
                event,
                row.id,
                {"name": row.name, "changed": [to_camel(field) for field in changes]},
                sequence=row.version,
            )
        if "enabled" in changes:
            await self._tell_of_tools(row)
        return row

    async def _tell_of_tools(self, row: Integration) -> None:
        """They come and go with the integration."""
        if await self._integrations.has_tools(row.id):
            self._events.publish(EventType.TOOLS_LIST_UPDATED, row.id)


def snapshot(row: Integration) -> Json:
    return {field: getattr(row, field) for field in SHOWN}


def resource(row: Integration) -> Resource:
    return Resource("integration", row.id, row.name, row.id)
