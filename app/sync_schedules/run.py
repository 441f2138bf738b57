"""One run of a schedule, and what is written of it: in the transaction that writes the handlers, if one does.

So a run that lost its claim meanwhile, because it took longer than its lease or because a person synced or
changed the schedule, leaves nothing behind.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Actor, Context, Origin
from app.core import clock
from app.core.errors import AppError
from app.core.ids import new_id
from app.db.base import Json
from app.engine.claim import Claim
from app.events.publisher import EventPublisher
from app.integrations.repository import IntegrationRepository
from app.models import AuditAction, EventType, Integration, SyncOutcome, SyncSchedule
from app.openapi_sync.errors import TooManyMissing
from app.openapi_sync.options import Apply, Holding, SyncOptions
from app.openapi_sync.schemas import SyncRequest
from app.openapi_sync.writing import Synced
from app.sealing.service import KeyCache, Sealer
from app.sync_schedules import held
from app.sync_schedules.errors import ClaimLost
from app.sync_schedules.repository import SyncScheduleRepository
from app.sync_schedules.service import TABLE
from app.sync_schedules.timing import pause

ACTOR: Final = Actor("worker", "sync_schedules", "sync_schedules")
WHILE_OFF: Final = timedelta(minutes=10)
"""Until the next look whether tenant and integration are in operation again."""
TOLD_EXTRAS: Final = {"upstreamStatus": "upstream_status", "line": "line", "column": "column"}
"""What an error may say besides its sentence: its detail may quote what was fetched."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is to do."""

    integration_id: UUID
    request: SyncRequest
    options: SyncOptions


class Run:
    """``outcome``: None until it is written."""

    def __init__(self, claim: Claim) -> None:
        self.context = Context(claim.tenant_id, "", ACTOR, origin=Origin(str(new_id())))
        self.outcome: SyncOutcome | None = None
        self._claim = claim
        self._due_at: datetime | None = None
        self._leased_until: datetime | None = None

    async def begin(self, session: AsyncSession, keys: KeyCache) -> Job | None:
        """None where nothing may be run now. Raises ``ClaimLost``, and ``KeyUnavailable``."""
        row = await self._lock(session)
        self._due_at, self._leased_until = row.due_at, row.leased_until
        schedules = SyncScheduleRepository(session, self._claim.tenant_id)
        if not await schedules.may_run(row):
            row.leased_until = None
            row.due_at = schedules.moment_in(WHILE_OFF)
            return None
        asked: Json = {**row.request}
        if row.sealed is not None:
            sealer = Sealer(session, self._claim.tenant_id, keys)
            asked["url"] = (await sealer.open(row.sealed, TABLE, row.id)).reveal()
        request = SyncRequest.model_validate(asked)
        holding = Holding(Apply(row.apply), held.baselines(row.held))
        options = replace(request.options(dry_run=False), holding=holding)
        return Job(row.integration_id, request, options)

    async def saw(self, session: AsyncSession, integration: Integration, synced: Synced) -> None:
        """As the witness of the sync. Raises ``ClaimLost``, so that the sync is not written either."""
        row = await self._lock(session)
        entries = held.kept(synced.held, row.held)
        if news := held.news(entries, row.held):
            self._tell_held(session, integration, synced, entries, news)
        row.held = entries
        is_new = synced.writes and (bool(synced.changes) or not synced.arrived.reading.is_known)
        outcome = SyncOutcome.APPLIED if is_new else SyncOutcome.UNCHANGED
        is_refused = synced.is_held_whole and row.apply != Apply.NONE
        error = told(TooManyMissing()) if is_refused else None
        await self._end(session, row, SyncOutcome.HELD if entries else outcome, error)

    async def found_unchanged(self, session: AsyncSession) -> None:
        """Neither document nor handlers have changed since the last run. Raises ``ClaimLost``."""
        row = await self._lock(session)
        if row.apply != Apply.ADDITIVE:
            row.held = []
        await self._end(session, row, SyncOutcome.HELD if row.held else SyncOutcome.UNCHANGED)

    async def failed(self, session: AsyncSession, error: AppError) -> None:
        """Raises ``ClaimLost``."""
        row = await self._lock(session)
        row.consecutive_failures += 1
        if row.consecutive_failures == 1:
            integration = await IntegrationRepository(session, row.tenant_id).get(row.integration_id)
            self._tell(
                session,
                integration,
                (AuditAction.INTEGRATION_SYNC_FAILED, EventType.INTEGRATION_SYNC_FAILED),
                told(error),
            )
        await self._end(session, row, SyncOutcome.FAILED, told(error))

    async def let_go(self, session: AsyncSession) -> None:
        """Of the lease of a lost claim, which keeps the next run from beginning."""
        schedules = SyncScheduleRepository(session, self._claim.tenant_id)
        await schedules.let_go(self._claim.id, self._leased_until)

    async def _lock(self, session: AsyncSession) -> SyncSchedule:
        row = await SyncScheduleRepository(session, self._claim.tenant_id).lock_claimed(self._claim)
        if row is None:
            raise ClaimLost
        return row

    async def _end(
        self, session: AsyncSession, row: SyncSchedule, outcome: SyncOutcome, error: Json | None = None
    ) -> None:
        """A run that was asked for meanwhile follows at once."""
        schedules = SyncScheduleRepository(session, self._claim.tenant_id)
        if outcome is not SyncOutcome.FAILED:
            row.consecutive_failures = 0
        if row.due_at == self._due_at:
            wait = pause(row.interval_seconds, row.consecutive_failures, random.random)
            row.due_at = schedules.moment_in(wait)
        row.leased_until, row.last_run_at = None, clock.now()
        row.last_outcome, row.last_error = outcome, error
        await schedules.flush()
        self.outcome = outcome

    def _tell_held(
        self,
        session: AsyncSession,
        integration: Integration,
        synced: Synced,
        entries: list[Json],
        news: list[Json],
    ) -> None:
        facts: Json = {
            "source": synced.arrived.source,
            "document_hash": synced.arrived.reading.content_hash,
            "is_whole": synced.is_held_whole,
            "held": len(entries),
            "handlers": held.briefly(news),
        }
        kinds = AuditAction.INTEGRATION_SYNC_HELD, EventType.INTEGRATION_SYNC_HELD
        self._tell(session, integration, kinds, facts)

    def _tell(
        self,
        session: AsyncSession,
        integration: Integration,
        kinds: tuple[AuditAction, EventType],
        facts: Mapping[str, object],
    ) -> None:
        action, event = kinds
        resource = Resource("integration", integration.id, integration.name, integration.id)
        AuditRecorder(session, self.context).record(action, resource, facts)
        EventPublisher(session, self.context).publish(
            event, integration.id, {"name": integration.name, **facts}, sequence=integration.version
        )


def told(error: AppError) -> Json:
    """The sentence of its class, for the detail may quote a stranger's document."""
    sentence = " ".join((type(error).__doc__ or "").split())
    extras = {
        name: error.extra[extra] for extra, name in TOLD_EXTRAS.items() if error.extra.get(extra) is not None
    }
    return {"code": error.code, "detail": sentence, **extras}
