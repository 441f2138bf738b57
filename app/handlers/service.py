from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from pydantic.alias_generators import to_camel

from app.audit.recorder import AuditRecorder, Resource, difference
from app.core.errors import Fault
from app.core.pagination import Page, PageRequest
from app.db.base import Json
from app.db.precondition import Precondition
from app.events.publisher import EventPublisher
from app.handlers import arguments
from app.handlers.errors import CapabilityNotInstalled, DefaultArgsNotValid, TargetIsSynced
from app.handlers.repository import HandlerFilter, HandlerRepository
from app.handlers.schemas import HandlerCreate, HandlerUpdate
from app.handlers.targets import TARGET, OperationTarget
from app.handlers.tool_events import tool_events
from app.handlers.verification import VERIFICATION
from app.integrations.repository import IntegrationRepository
from app.models import AuditAction, EventType, Handler, HandlerSource
from app.web.schemas import Definition

EDITABLE = (
    "name",
    "summary",
    "default_args",
    "mode",
    "methods",
    "target",
    "verification",
    "body_limit",
    "raw_body",
    "validate_args",
    "rate_limit",
    "allowed_cidrs",
    "enabled",
)


class HandlerService:
    def __init__(
        self,
        handlers: HandlerRepository,
        integrations: IntegrationRepository,
        audit: AuditRecorder,
        events: EventPublisher,
    ) -> None:
        self._handlers = handlers
        self._integrations = integrations
        self._audit = audit
        self._events = events

    async def page(self, wanted: HandlerFilter, request: PageRequest) -> Page[Handler]:
        return await self._handlers.page(self._handlers.matching(wanted), request)

    async def page_in(
        self, integration_id: UUID, wanted: HandlerFilter, request: PageRequest
    ) -> Page[Handler]:
        """Raises ``NotFound`` for an integration that is not there."""
        await self._integrations.get(integration_id)
        return await self.page(replace(wanted, integration_id=integration_id), request)

    async def get(self, integration_id: UUID, id: UUID) -> Handler:
        return await self._handlers.get_in(integration_id, id)

    async def create(self, integration_id: UUID, data: HandlerCreate) -> Handler:
        """Raises ``HandlerNameTaken``, ``NotFound`` for no integration, and what a definition can lack."""
        values = {field: _stored(getattr(data, field)) for field in EDITABLE}
        row = Handler(integration_id=integration_id, **values)
        _check(row)
        await self._handlers.add(row)
        changes = difference({}, snapshot(row))
        self._audit.record(AuditAction.HANDLER_CREATED, resource(row), changes)
        self._events.publish(EventType.HANDLER_CREATED, row.id, _payload(row))
        self._tell_of_tool(row, {}, snapshot(row))
        return row

    async def update(
        self, integration_id: UUID, id: UUID, data: HandlerUpdate, condition: Precondition
    ) -> Handler:
        """Change the fields that were given; a change of nothing leaves no record."""
        row = await self._handlers.get_in(integration_id, id)
        condition.check(row)
        before = snapshot(row)
        changes = difference(before, before | {name: _stored(value) for name, value in data.given().items()})
        if changes:
            await self._apply(row, changes.keys(), data)
            self._audit.record(AuditAction.HANDLER_UPDATED, resource(row), changes)
            payload = {**_payload(row), "changed": [to_camel(field) for field in changes]}
            self._events.publish(EventType.HANDLER_UPDATED, row.id, payload, sequence=row.version)
            self._tell_of_tool(row, before, snapshot(row))
        return row

    async def delete(self, integration_id: UUID, id: UUID, condition: Precondition) -> None:
        """Its webhook address dies at once, and its executions go with it."""
        row = await self._handlers.get_in(integration_id, id)
        condition.check(row)
        self._audit.record(AuditAction.HANDLER_DELETED, resource(row), difference(snapshot(row), {}))
        self._events.publish(EventType.HANDLER_DELETED, row.id, _payload(row), sequence=row.version + 1)
        self._tell_of_tool(row, snapshot(row), {})
        await self._handlers.delete(row)

    def _tell_of_tool(self, row: Handler, before: Json, after: Json) -> None:
        types = tool_events(before, after)
        for type in types:
            sequence = row.version if after else row.version + 1
            self._events.publish(type, row.id, _payload(row), sequence=sequence)
        if types:
            self._events.publish(EventType.TOOLS_LIST_UPDATED, row.integration_id)

    async def _apply(self, row: Handler, changed: Collection[str], data: HandlerUpdate) -> None:
        if "target" in changed and row.source == HandlerSource.OPENAPI:
            raise TargetIsSynced
        for field in changed:
            setattr(row, field, _stored(getattr(data, field)))
        if {"target", "default_args"} & {*changed}:
            _check(row)
        await self._handlers.save(row)


def snapshot(row: Handler) -> Json:
    """What a person may change, with target and verification in the one form that compares."""
    shown = {field: getattr(row, field) for field in EDITABLE}
    verification = row.verification and VERIFICATION.validate_python(row.verification).stored()
    return shown | {"target": TARGET.validate_python(row.target).stored(), "verification": verification}


def resource(row: Handler) -> Resource:
    return Resource("handler", row.id, row.name, row.integration_id)


def _stored(value: object) -> object:
    return value.stored() if isinstance(value, Definition) else value


def _payload(row: Handler) -> Json:
    return {"name": row.name, "integration_id": str(row.integration_id)}


def _check(row: Handler) -> None:
    """What no field can tell by itself. Raises ``CapabilityNotInstalled`` and ``DefaultArgsNotValid``."""
    target = TARGET.validate_python(row.target)
    if target.kind == "capability":
        raise CapabilityNotInstalled(
            errors=[Fault("/target", "No connector with capabilities is installed.")]
        )
    parameters = target.parameters if isinstance(target, OperationTarget) else []
    faults = arguments.faults(row.default_args, [parameter.name for parameter in parameters])
    if faults:
        raise DefaultArgsNotValid(errors=faults)
