"""Which executions are due, whoever's they are: the worker's questions across tenants.

They go through SECURITY DEFINER functions that return ids and fences only; the rows themselves are read
afterwards, as their tenant.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.db.errors import RoleTooWeak
from app.engine.claim import Claim, Wanted

LEASE: Final = timedelta(seconds=15)
"""A claim lasts this long and is renewed while its worker lives: so late is the work of a dead one redone."""

WALK: Final = 200
"""Lanes that one claim visits at most."""

_MAY_CLAIM = text("""
    SELECT current_user, has_function_privilege(
        'app.claim_executions(integer, interval, bigint, uuid, integer, bigint[], integer[], integer, uuid[],'
        ' integer[])', 'EXECUTE'
    )
""")
_CLAIM = """
    SELECT tenant_id, id, fence, lane FROM app.claim_executions($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_LANE_AFTER = "SELECT app.lane_after($1, $2, $3)"
_RENEW = "SELECT app.renew_claims($1, $2, $3, $4)"
_BACKLOG = text("SELECT waiting, oldest FROM app.execution_backlog()")
_PURGE = text("SELECT app.purge_expired()")
_KEEP_PARTITIONS = text("SELECT app.keep_partitions(:ahead, :kept)")


async def check_may_claim(session: AsyncSession) -> None:
    """Raises ``RoleTooWeak``: better at boot than as a worker that runs and finds nothing."""
    user, may = (await session.execute(_MAY_CLAIM)).one()
    if not may:
        raise RoleTooWeak(
            f"The database login {user} may not claim executions: make it a member of jackfield_worker, "
            "or run `jackfield migrate` with JACKFIELD_WORKER_DATABASE_URL."
        )


async def claim(connection: asyncpg.Connection, wanted: Wanted, lease: timedelta = LEASE) -> list[Claim]:
    """Due executions, of each lane the longest due. No other worker gets them within the lease."""
    rows = await connection.fetch(
        _CLAIM,
        wanted.most,
        lease,
        wanted.start,
        wanted.since,
        wanted.per_lane,
        [*wanted.free],
        [*wanted.free.values()],
        wanted.per_tenant,
        [*wanted.free_of_tenants],
        [*wanted.free_of_tenants.values()],
    )
    return [Claim(TenantId(tenant_id), id, fence, lane) for tenant_id, id, fence, lane in rows]


async def lane_after(connection: asyncpg.Connection, wanted: Wanted) -> int | None:
    """Where a walk from ``start`` stopped; None if it came to the last lane."""
    found: int | None = await connection.fetchval(_LANE_AFTER, wanted.start, WALK, wanted.since)
    return found


async def renew(connection: asyncpg.Connection, claims: Sequence[Claim], lease: timedelta = LEASE) -> None:
    """``claims``: at least one."""
    tenants, ids, fences = zip(*((claim.tenant_id, claim.id, claim.fence) for claim in claims), strict=True)
    await connection.execute(_RENEW, tenants, ids, fences, lease)


async def backlog(session: AsyncSession) -> tuple[int, timedelta]:
    """How many executions are due, and for how long the oldest has been."""
    waiting, oldest = (await session.execute(_BACKLOG)).one()
    return waiting, oldest


async def purge_expired(session: AsyncSession) -> None:
    """Drop refused requests older than 72 hours and idempotent answers older than 24."""
    await session.execute(_PURGE)


async def keep_partitions(session: AsyncSession, *, ahead: int, kept: int) -> int:
    """Make the partitions of the next ``ahead`` days, drop those that ended ``kept`` days ago; how many went.

    What is still to be executed is not dropped, however old.
    """
    return int(await session.scalar(_KEEP_PARTITIONS, {"ahead": ahead, "kept": kept}) or 0)
