"""The last step of a sync, inside one transaction: compare with what is there, and write what differs."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Context
from app.core import clock
from app.core.ids import new_id
from app.events.publisher import EventPublisher
from app.handlers.tool_events import tool_events
from app.models import AuditAction, EventType, Integration
from app.openapi_sync.changes import Action, HandlerChange, differences, handler_changes
from app.openapi_sync.holding import Held, Verdict, judge
from app.openapi_sync.operation import Operation
from app.openapi_sync.options import OnMissing, SyncOptions
from app.openapi_sync.plan import Plan, plan
from app.openapi_sync.reading import Reading
from app.openapi_sync.repository import DocumentRepository, HeldRepository, SyncedHandlerRepository

AUDITED_AS = {
    Action.CREATE: AuditAction.HANDLER_CREATED,
    Action.UPDATE: AuditAction.HANDLER_UPDATED,
    Action.RESTORE: AuditAction.HANDLER_UPDATED,
    Action.MARK_MISSING: AuditAction.HANDLER_UPDATED,
    Action.DELETE: AuditAction.HANDLER_DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A document that was read, and where it came from."""

    reading: Reading = field(repr=False)
    source: str
    integration_name: str | None = None
    """Its name at the base URL, when it was fetched from there."""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did, or would do."""

    arrived: Arrived
    plan: Plan
    changes: Sequence[HandlerChange]
    degraded: int
    """Selected operations that refer to something the document does not hold."""
    dry_run: bool
    held: Sequence[Held] = ()
    """What was left to a person."""
    is_held_whole: bool = False

    @property
    def writes(self) -> bool:
        return not self.dry_run and not self.is_held_whole

    @property
    def counts(self) -> dict[str, int]:
        """Each handler counts once in ``created``, ``updated``, ``unchanged`` or ``missing``. ``restored`` is
        a part of ``updated``, ``deleted`` of ``missing``."""
        done = Counter(change.action for change in self.changes)
        missing = len(self.plan.missing) + len(self.plan.still_missing)
        updated = done[Action.UPDATE] + done[Action.RESTORE]
        kept = len(self.plan.update) + len(self.plan.unchanged)
        return {
            "created": done[Action.CREATE],
            "updated": updated,
            "unchanged": kept - updated,
            "missing": missing,
            "restored": done[Action.RESTORE],
            "deleted": done[Action.DELETE],
        }


class Witness(Protocol):
    """Who has to know of a sync in the transaction that writes it."""

    async def saw(self, session: AsyncSession, integration: Integration, synced: Synced) -> None: ...


class HandlerSync:
    def __init__(self, session: AsyncSession, context: Context, witness: Witness | None = None) -> None:
        self._session = session
        self._witness = witness
        self._documents = DocumentRepository(session, context.tenant_id)
        self._handlers = SyncedHandlerRepository(session, context.tenant_id)
        self._held = HeldRepository(session, context.tenant_id)
        self._audit = AuditRecorder(session, context)
        self._events = EventPublisher(session, context)

    async def run(self, integration_id: UUID, arrived: Arrived, options: SyncOptions) -> Synced:
        """Raises ``NotFound``, ``TooManyMissing``; ``HandlerNameTaken`` when a name was just taken."""
        integration = await self._documents.lock(integration_id)
        synced = await self._plan(integration, arrived, options)
        if synced.writes:
            await self._write(integration, synced)
            if options.holding is None:
                await self._held.release(integration_id)
        if self._witness is not None:
            await self._witness.saw(self._session, integration, synced)
        return synced

    async def _plan(self, integration: Integration, arrived: Arrived, options: SyncOptions) -> Synced:
        described = arrived.reading.described
        make_plan = partial(
            plan,
            await self._handlers.existing(integration.id, lock=not options.dry_run),
            described,
            taken_names=await self._handlers.names(),
            integration_name=arrived.integration_name or integration.name,
            selection=options.selection,
            force=options.force or options.holding is not None,
        )
        latest = await self._documents.find_latest(integration.id) if options.holding else None
        weigh = partial(
            judge,
            holding=options.holding,
            since=arrived.reading.since,
            latest=latest.id if latest else None,
        )
        made, verdict = await asyncio.to_thread(_planned, make_plan, options.on_missing, weigh)
        operations = [one for one in described if isinstance(one, Operation)]
        return Synced(
            arrived,
            made,
            verdict.changes,
            sum(one.is_degraded for one in operations if options.selection.covers(one)),
            options.dry_run,
            verdict.held,
            verdict.is_whole,
        )

    async def _write(self, integration: Integration, synced: Synced) -> None:
        """Nothing at all for a document and handlers that are as they were."""
        arrived = synced.arrived
        latest = await self._documents.find_latest(integration.id)
        is_new = latest is None or (latest.source, latest.content_hash) != (
            arrived.source,
            arrived.reading.content_hash,
        )
        if is_new:
            await self._documents.keep(
                integration.id,
                arrived.reading,
                source=arrived.source,
                etag=arrived.etag,
                modified=arrived.last_modified,
            )
        tools_changed = await self._write_handlers(integration.id, synced.changes)
        if is_new or synced.changes:
            self._record(integration, synced)
        if is_new or tools_changed:  # a new document may say something new of tools that are as they were
            self._events.publish(EventType.TOOLS_LIST_UPDATED, integration.id)

    async def _write_handlers(self, integration_id: UUID, changes: Sequence[HandlerChange]) -> bool:
        """Whether tools came, went or changed."""
        ids = [change.handler.id if change.handler else new_id() for change in changes]
        by_action = {
            action: [(id, change) for id, change in zip(ids, changes, strict=True) if change.action is action]
            for action in Action
        }
        # Names of deleted handlers are not given away in the same sync: the plan counts them as taken.
        await self._handlers.delete_all(id for id, _ in by_action[Action.DELETE])
        await self._handlers.update_all(
            change
            for action in (Action.UPDATE, Action.RESTORE, Action.MARK_MISSING)
            for _, change in by_action[action]
        )
        await self._handlers.insert_all(
            {"id": id, "integration_id": integration_id, **change.after}
            for id, change in by_action[Action.CREATE]
        )
        await self._audit.record_all(
            (
                AUDITED_AS[change.action],
                Resource("handler", id, change.name, integration_id),
                differences(change),
            )
            for id, change in zip(ids, changes, strict=True)
        )
        told = [
            (type, id, {"name": change.name, "integration_id": str(integration_id)}, change.version)
            for id, change in zip(ids, changes, strict=True)
            for type in tool_events(*change.tool())
        ]
        await self._events.publish_all(told)
        return bool(told)

    def _record(self, integration: Integration, synced: Synced) -> None:
        facts = {
            **synced.counts,
            "source": synced.arrived.source,
            "document_hash": synced.arrived.reading.content_hash,
        }
        resource = Resource("integration", integration.id, integration.name, integration.id)
        self._audit.record(AuditAction.INTEGRATION_HANDLERS_SYNCED, resource, facts)
        self._events.publish(
            EventType.INTEGRATION_HANDLERS_SYNCED,
            integration.id,
            {"name": integration.name, **facts},
            sequence=integration.version,
        )


def _planned(
    make_plan: Callable[[], Plan], on_missing: OnMissing, weigh: Callable[..., Verdict]
) -> tuple[Plan, Verdict]:
    made = make_plan()
    return made, weigh(made, tuple(handler_changes(made, on_missing, clock.now())))
