"""Executions as the engine runs them: read in bulk, called one by one, finished in bulk."""

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock, tracing
from app.core.egress.calls import CallClient
from app.core.errors import AppError, UpstreamFailed
from app.core.ids import TenantId, moment_of
from app.db.outages import DATABASE_ERRORS
from app.db.session import Database
from app.engine.claim import Claim, Wanted
from app.engine.source import Done
from app.executions import claims as claiming
from app.executions import metrics
from app.executions.caller import Outcome, perform
from app.executions.ending import Ending, decide
from app.executions.job import Job, deadly, is_deadly, job_of
from app.executions.plans import Plan, Plans
from app.executions.records import records
from app.executions.repository import Claimed, Finish, claimed, finish

RESTING: Final = frozenset({429, 503})
"""Answers whose ``Retry-After`` speaks for the upstream and not for this one request."""

_log = structlog.get_logger(__name__)


class ExecutionSource:
    """``lease``: how long a claim lasts; it has to be longer than the time between two renewals."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        calls: CallClient,
        lease: timedelta = claiming.LEASE,
    ) -> None:
        self._database = database
        self._plans = plans
        self._calls = calls
        self._lease = lease

    async def claim(self, wanted: Wanted) -> list[Claim]:
        async with self._database.statements() as connection:
            return await claiming.claim(connection, wanted, self._lease)

    async def lane_after(self, wanted: Wanted) -> int | None:
        async with self._database.statements() as connection:
            return await claiming.lane_after(connection, wanted)

    async def renew(self, claims: Sequence[Claim]) -> None:
        async with self._database.statements() as connection:
            await claiming.renew(connection, claims, self._lease)

    async def read(self, claims: Sequence[Claim]) -> list[tuple[Claim, Job]]:
        """The jobs. What cannot be read or put together is left out, and so comes back after its lease."""
        by_tenant: dict[TenantId, dict[UUID, Claim]] = defaultdict(dict)
        for claim in claims:
            by_tenant[claim.tenant_id][claim.id] = claim
        jobs: list[tuple[Claim, Job]] = []
        for tenant_id, held in by_tenant.items():
            try:
                found = await self._read(tenant_id, [*held.values()])
            except DATABASE_ERRORS as error:
                _log.warning("execution.unreadable", ids=[*map(str, held)], error=type(error).__name__)
                continue
            jobs += [(held[job.row.id], job) for job in found]
        return jobs

    async def _read(self, tenant_id: TenantId, claims: Sequence[Claim]) -> list[Job]:
        async with self._database.statements_of(tenant_id) as connection:
            rows = await claimed(connection, tenant_id, claims)
        jobs: list[Job | None] = []
        unplanned: list[Claimed] = []
        for row in rows:
            if is_deadly(row):
                jobs.append(deadly(row))
            elif (plan := self._plans.find(tenant_id, row.handler_id)) is not None:
                jobs.append(_job(row, plan))
            else:
                unplanned.append(row)
        if unplanned:
            async with self._database.transaction(tenant_id) as session:
                jobs += [await self._plan(session, tenant_id, row) for row in unplanned]
        return [job for job in jobs if job is not None]

    async def _plan(self, session: AsyncSession, tenant_id: TenantId, row: Claimed) -> Job | None:
        try:
            plan = await self._plans.get(session, tenant_id, row.handler_id)
        except AppError as failure:
            return Job(row=row, failure=failure)
        except Exception as error:  # noqa: BLE001 - one execution must not stop the others
            _interrupted(row, error)
            return None
        return _job(row, plan)

    async def perform(self, claim: Claim, job: Job) -> Done[Job, Outcome]:
        row = job.row
        if row.attempt_count == 0:
            metrics.first_attempt((clock.now() - moment_of(row.id)).total_seconds())
        with tracing.attempt(row.trace_parent) as trace:
            outcome = await perform(job, self._calls, tracing.headers_of(trace.parent, row.headers))
            if trace.is_recorded:
                _note(trace, claim, row, outcome)
        metrics.called(outcome)
        is_unanswered = isinstance(outcome.failure, UpstreamFailed)
        is_asked = is_unanswered or outcome.status_code is not None
        return Done(
            claim,
            job,
            outcome,
            is_answered=not is_unanswered if is_asked else None,
            retry_after=outcome.retry_after if outcome.status_code in RESTING else None,
        )

    async def finish(self, done: Sequence[Done[Job, Outcome]]) -> None:
        by_tenant: dict[TenantId, list[Done[Job, Outcome]]] = defaultdict(list)
        for one in done:
            by_tenant[one.claim.tenant_id].append(one)
        for tenant_id, of_tenant in by_tenant.items():
            finished = [(one, decide(one.job.row, one.result, random.random)) for one in of_tenant]
            held = await self._store(tenant_id, finished)
            is_debugged = _log.is_enabled_for(logging.DEBUG)
            for one, ending in finished:
                if one.claim.id in held:
                    _tell(one, ending, is_debugged=is_debugged)
                else:
                    metrics.claim_lost()
                    _log.warning("execution.claim_lost", execution_id=str(one.claim.id))

    async def _store(
        self, tenant_id: TenantId, finished: Sequence[tuple[Done[Job, Outcome], Ending]]
    ) -> set[UUID]:
        """What follows from the attempts, for each execution that nobody else holds by now: those."""
        ended = [Finish(one.claim, ending.status, ending.reason, ending.due_in) for one, ending in finished]
        written = records(tenant_id, ((one.job.row, one.result, ending) for one, ending in finished))
        async with self._database.statements_of(tenant_id) as connection:
            return await finish(connection, tenant_id, ended, written)


def _job(row: Claimed, plan: Plan) -> Job | None:
    try:
        return job_of(row, plan)
    except Exception as error:  # noqa: BLE001 - one execution must not stop the others
        _interrupted(row, error)
        return None


def _interrupted(row: Claimed, error: Exception) -> None:
    _log.error("execution.interrupted", execution_id=str(row.id), error=type(error).__name__)


def _tell(done: Done[Job, Outcome], ending: Ending, *, is_debugged: bool) -> None:
    """Count it and log it. What succeeded is in the database; a line for each is for debugging."""
    row, outcome = done.job.row, done.result
    metrics.attempted(outcome, ending)
    if outcome.is_success and not is_debugged:
        return
    log = _log.debug if outcome.is_success else _log.info
    log(
        "execution.attempted",
        execution_id=str(row.id),
        handler_id=str(row.handler_id),
        tenant_id=str(done.claim.tenant_id),
        request_id=row.request_id,
        attempt=row.attempt_count + 1,
        outcome=metrics.outcome_of(ending),
        cause=metrics.class_of(outcome),
        status=outcome.status_code,
        duration_ms=outcome.duration_ms,
    )


def _note(trace: tracing.Trace, claim: Claim, row: Claimed, outcome: Outcome) -> None:
    """Neither address nor header: those may hold what a collector should not know."""
    seen: dict[str, str | int] = {
        "jackfield.tenant_id": str(claim.tenant_id),
        "jackfield.handler_id": str(row.handler_id),
        "jackfield.execution_id": str(row.id),
        "jackfield.attempt": row.attempt_count + 1,
    }
    if outcome.method is not None:
        seen["http.request.method"] = outcome.method
    if outcome.status_code is not None:
        seen["http.response.status_code"] = outcome.status_code
    trace.note(seen, failure=None if outcome.is_success else metrics.class_of(outcome))
