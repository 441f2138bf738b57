"""The loops in which a worker runs whatever schedules are due. Any number of processes may run them."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from app.core.egress.fetch import FetchClient
from app.core.errors import AppError
from app.db.outages import is_database_away
from app.db.session import Database
from app.openapi_sync.service import SyncService
from app.sealing.service import KeyCache
from app.sync_schedules import metrics
from app.sync_schedules.errors import ClaimLost, SyncTookTooLong
from app.sync_schedules.repository import claim_schedule
from app.sync_schedules.run import Job, Run

LEASE: Final = timedelta(minutes=5)
"""What a worker that was killed had begun is run again after this long."""
RUN_S: Final = 270.0
"""For one run, which so is over before its lease."""
AT_ONCE: Final = 4
"""Runs of one process: each waits for a stranger's upstream most of the time."""
POLL_S: Final = 10.0
MAX_BACKOFF_S: Final = 60.0

_log = structlog.get_logger(__name__)


class Resyncer:
    """``database``: as the worker's role; ``poll_s``: seconds between two looks when nothing was due."""

    def __init__(
        self,
        database: Database,
        client: FetchClient,
        keys: KeyCache,
        *,
        document_limit: int,
        poll_s: float = POLL_S,
    ) -> None:
        self._database = database
        self._client = client
        self._keys = keys
        self._document_limit = document_limit
        self._poll_s = poll_s

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; what was begun is run to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._loop(stop))

    async def run_due(self) -> bool:
        """Run the schedule that is due longest, if one is; whether one was."""
        async with self._database.transaction(None) as session:
            claim = await claim_schedule(session, LEASE)
        if claim is None:
            return False
        run = Run(claim)
        try:
            await self._run(run)
        except ClaimLost:
            async with self._database.transaction(claim.tenant_id) as session:
                await run.let_go(session)
            metrics.ran(metrics.LOST)
        else:
            if run.outcome is not None:
                metrics.ran(run.outcome)
        return True

    async def _loop(self, stop: asyncio.Event) -> None:
        pause = self._poll_s
        while not stop.is_set():
            try:
                was_due = await self.run_due()
                pause = self._poll_s
            except Exception as error:  # noqa: BLE001 - one schedule, or a database away, must not stop the rest
                _log.warning("sync_schedules.run_interrupted", error=type(error).__name__)
                was_due, pause = False, min(pause * 2, MAX_BACKOFF_S)
            if not was_due:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)

    async def _run(self, run: Run) -> None:
        """Raises ``ClaimLost``, and what the database raises that is away: then its lease ends it."""
        try:
            await self._sync(run)
        except ClaimLost:
            raise
        except Exception as error:
            if is_database_away(error):
                raise
            async with self._database.transaction(run.context.tenant_id) as session:
                await run.failed(session, _told(error))

    async def _sync(self, run: Run) -> None:
        async with self._database.transaction(run.context.tenant_id) as session:
            job = await run.begin(session, self._keys)
        if job is None:
            return
        async with asyncio.timeout(RUN_S):
            await self._ask(run, job)
        if run.outcome is None:
            async with self._database.transaction(run.context.tenant_id) as session:
                await run.found_unchanged(session)

    async def _ask(self, run: Run, job: Job) -> None:
        limit = self._document_limit
        service = SyncService(self._database, self._client, run.context, document_limit=limit, witness=run)
        await service.sync(job.integration_id, job.request, job.options)


def _told(error: Exception) -> AppError:
    if isinstance(error, AppError):
        return error
    if isinstance(error, TimeoutError):
        return SyncTookTooLong()
    _log.warning("sync_schedules.run_broke_off", error=type(error).__name__)
    return AppError()
