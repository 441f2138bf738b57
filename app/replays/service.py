from typing import Final
from uuid import UUID

from app.audit.recorder import AuditRecorder, Resource
from app.core import clock
from app.core.errors import Fault, NotFound, Unprocessable
from app.core.ids import new_id
from app.core.pagination import Page, PageRequest
from app.handlers.repository import HandlerRepository
from app.integrations.repository import IntegrationRepository
from app.models import AuditAction, Replay, ReplayStatus
from app.replays.errors import ReplayEnded, TooManyReplays
from app.replays.repository import ReplayRepository
from app.replays.schemas import ReplayCreate, ReplayFilter

MOST_RUNNING: Final = 10
"""Replays of one tenant at a time."""

FROM_THE_START: Final = UUID(int=0)


class ReplayService:
    """Starting a replay of many executions, watching it and stopping it. A worker does the rest."""

    def __init__(
        self,
        replays: ReplayRepository,
        handlers: HandlerRepository,
        integrations: IntegrationRepository,
        audit: AuditRecorder,
    ) -> None:
        self._replays = replays
        self._handlers = handlers
        self._integrations = integrations
        self._audit = audit

    async def page(self, request: PageRequest) -> Page[Replay]:
        return await self._replays.page(self._replays.select(), request)

    async def get(self, id: UUID) -> Replay:
        return await self._replays.get(id)

    async def start(self, data: ReplayCreate, request_id: str | None) -> Replay:
        """Raises ``TooManyReplays``, and ``Unprocessable`` for an unknown integration or handler."""
        await self._check_references(data.filter)
        if await self._replays.count_running() >= MOST_RUNNING:
            raise TooManyReplays
        row = await self._replays.add(
            Replay(
                id=new_id(),
                filter=data.filter.stored(),
                rate_per_second=data.rate_per_second,
                cursor=FROM_THE_START,
                request_id=request_id,
                due_at=clock.now(),
            )
        )
        row.matched = await self._replays.count(row, data.filter)
        await self._replays.save(row)
        changes = {"filter": row.filter, "matched": row.matched}
        self._audit.record(AuditAction.REPLAY_STARTED, resource_of(row), changes)
        return row

    async def cancel(self, id: UUID) -> Replay:
        """Replay nothing more. What was replayed stays, also what still waits. Raises ``ReplayEnded``."""
        row = await self._replays.lock(id)
        if row is None:
            raise NotFound
        if row.status != ReplayStatus.RUNNING:
            raise ReplayEnded
        row.status, row.due_at, row.finished_at = ReplayStatus.CANCELLED, None, clock.now()
        await self._replays.save(row)
        self._audit.record(AuditAction.REPLAY_CANCELLED, resource_of(row), progress_of(row))
        return row

    async def _check_references(self, wanted: ReplayFilter) -> None:
        faults = []
        if wanted.integration_id and await self._integrations.find(wanted.integration_id) is None:
            faults.append(Fault("/filter/integrationId", "no such integration"))
        if wanted.handler_id and await self._handlers.find(wanted.handler_id) is None:
            faults.append(Fault("/filter/handlerId", "no such handler"))
        if faults:
            raise Unprocessable(errors=faults)


def resource_of(row: Replay) -> Resource:
    """As the audit log names it."""
    integration_id = ReplayFilter.model_validate(row.filter).integration_id
    return Resource("replay", row.id, integration_id=integration_id)


def progress_of(row: Replay) -> dict[str, object]:
    """How far it came, for the audit log."""
    return {"matched": row.matched, "replayed": row.replayed, "skipped": row.skipped}
