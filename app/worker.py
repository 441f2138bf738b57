"""Composition root of the worker: the loops that do what is due, as a role of its own."""

import asyncio
from datetime import timedelta

from app.core.egress.calls import CallClient
from app.core.settings import Settings
from app.db.session import Database
from app.engine.slots import Limits
from app.engine.worker import Worker
from app.executions import claims
from app.executions.backlog import Backlog
from app.executions.caller import Outcome
from app.executions.housekeeping import keep_house
from app.executions.job import Job
from app.executions.plans import Plans
from app.executions.source import ExecutionSource
from app.replays.replayer import Replayer
from app.sync_schedules.resyncer import Resyncer


def create_worker(
    database: Database, plans: Plans, calls: CallClient, settings: Settings
) -> Worker[Job, Outcome]:
    """``database``: as the worker's role, which may claim work of all tenants."""
    lease = timedelta(seconds=settings.lease)
    source = ExecutionSource(database, plans, calls, lease)
    limits = Limits(
        total=settings.concurrency,
        per_tenant=settings.tenant_concurrency or settings.concurrency,
        per_lane=settings.upstream_concurrency,
    )
    return Worker(source, limits, poll_s=settings.poll_interval, lease_s=settings.lease)


async def check_worker(database: Database) -> None:
    """Raises ``RoleTooWeak``."""
    async with database.transaction(None) as session:
        await claims.check_may_claim(session)


async def run_worker(
    worker: Worker[Job, Outcome],
    resyncer: Resyncer,
    database: Database,
    settings: Settings,
    stop: asyncio.Event,
) -> None:
    """Until ``stop`` is set; then nothing more is claimed, and what runs is waited for."""
    async with asyncio.TaskGroup() as group:
        replayer = group.create_task(Replayer(database, poll_s=settings.poll_interval).run(stop))
        resyncing = group.create_task(resyncer.run(stop))
        housekeeper = group.create_task(
            keep_house(database, days_kept=settings.execution_retention_days, is_worker=True)
        )
        watcher = group.create_task(Backlog(database).watch())
        await worker.run(stop)
        await replayer
        await resyncing
        housekeeper.cancel()
        watcher.cancel()
