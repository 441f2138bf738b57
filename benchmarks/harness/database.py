"""The database behind the service, seen by its superuser. All that knows the schema is here."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import asyncpg

from app.core import clock
from app.core import settings as configuration
from app.core.ids import first_id
from app.db.session import Database, create_database
from app.engine.claim import FIRST_LANE, Wanted
from app.engine.worker import RECENT
from app.executions import claims
from app.server.database import DatabaseUrls as Urls
from app.server.database import running_database

__all__ = ["Urls"]

A = TypeVar("A")
POOL = 20
"""What the service has by default: 10 connections, and 10 more under load."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Executions by status, and how fast those that succeeded did, per second, between a tenth and nine
    tenths of them; 0 of fewer than ten."""

    statuses: dict[str, int]
    rate: float

    @property
    def is_going_on(self) -> bool:
        return bool(self.statuses.keys() & {"queued", "running"})


@contextmanager
def urls(data: Path) -> Iterator[Urls]:
    """Of the embedded database in the folder, which runs while the block does."""
    with running_database(configuration.load(data=data)) as found:
        yield found


async def ask(dsn: str, question: Callable[[asyncpg.Connection], Awaitable[A]]) -> A:
    """One question on a connection of its own."""
    async with connect(dsn) as connection:
        return await question(connection)


@asynccontextmanager
async def connect(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


def dsn(found: Urls, database: str | None = None) -> str:
    """The superuser's, as asyncpg reads it: picklable, for processes beside this one."""
    url = found.admin.set(database=database) if database else found.admin
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def describe(connection: asyncpg.Connection) -> dict[str, str]:
    """The version, and what makes a commit safe."""
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    return {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}


async def copy_handlers(connection: asyncpg.Connection, integration: str) -> float:
    """Seconds that a COPY of an integration's handlers takes into a table like theirs, indexes included."""
    rows = BytesIO()
    id = UUID(integration.rpartition("/")[2])
    query = "SELECT * FROM handlers WHERE integration_id = $1"
    await connection.copy_from_query(query, id, output=rows, format="binary")
    await connection.execute("CREATE TABLE handlers_copied (LIKE handlers INCLUDING ALL)")
    try:
        rows.seek(0)
        began = time.perf_counter()
        await connection.copy_to_table("handlers_copied", source=rows, format="binary")
        return time.perf_counter() - began
    finally:
        await connection.execute("DROP TABLE handlers_copied")


async def count_executions(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM executions"))


async def count_originals(connection: asyncpg.Connection) -> int:
    """Those that came through the API; see ``copy_waiting``."""
    return int(await connection.fetchval("SELECT count(*) FROM executions WHERE peer IS NOT NULL"))


async def count_waiting(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM executions WHERE status = 'queued'"))


async def progress(connection: asyncpg.Connection) -> Progress:
    rows = await connection.fetch("SELECT status, count(*) FROM executions GROUP BY status")
    tenth, ninth, count = await connection.fetchrow("""
        SELECT percentile_disc(0.1) WITHIN GROUP (ORDER BY finished_at),
               percentile_disc(0.9) WITHIN GROUP (ORDER BY finished_at), count(*)
        FROM executions WHERE status = 'succeeded'
    """)
    seconds = (ninth - tenth).total_seconds() if count else 0.0
    return Progress({row["status"]: row["count"] for row in rows}, 0.8 * count / seconds if seconds else 0.0)


async def forget_executions(connection: asyncpg.Connection) -> None:
    """So that each round begins alike."""
    await connection.execute("TRUNCATE executions, attempts, dedup_keys")


async def copy_waiting(connection: asyncpg.Connection, copies: int) -> None:
    """Copy each waiting execution that came through the API so many times, as due since a while.

    Whatever columns the table has, a copy has its original's, but for those that tell rows apart. Originals
    have a ``peer``, copies none.
    """
    await connection.execute(
        """
        INSERT INTO executions
        SELECT copy.* FROM generate_series(1, $1) AS number
        CROSS JOIN (SELECT * FROM executions WHERE peer IS NOT NULL) AS original
        -- Names both, or PostgreSQL would draw once for all.
        CROSS JOIN LATERAL (
            -- Of the original's day, so that there is a partition for it.
            SELECT overlay(gen_random_uuid()::text PLACING left(original.id::text, 13) FROM 1)::uuid AS id,
                now() - random() * interval '1 hour' AS due
            WHERE number > 0 AND original.id IS NOT NULL
        ) AS drawn
        CROSS JOIN LATERAL jsonb_populate_record(
            original::executions,
            jsonb_build_object('id', drawn.id, 'peer', NULL, 'due_at', due)
        ) AS copy
        """,
        copies,
    )


async def forget_copies(connection: asyncpg.Connection) -> None:
    await connection.execute("DELETE FROM executions WHERE peer IS NULL")


async def postpone_originals(connection: asyncpg.Connection) -> None:
    """Out of reach of a claim."""
    await connection.execute(
        "UPDATE executions SET due_at = now() + interval '1 year' WHERE peer IS NOT NULL"
    )


async def settle(connection: asyncpg.Connection) -> None:
    """What PostgreSQL does by itself some time after many rows have come."""
    await connection.execute("VACUUM (ANALYZE) executions")
    await connection.execute("CHECKPOINT")


@asynccontextmanager
async def worker_database(found: Urls) -> AsyncIterator[Database]:
    """As the worker has it."""
    database = create_database(found.worker, pool_size=2, overflow=0, timeout=5, application="benchmark")
    try:
        yield database
    finally:
        await database.dispose()


async def claim(database: Database, most: int) -> int:
    """What the worker does when it looks for work, in one statement; how many it got."""
    async with database.statements() as connection:
        recent = first_id(clock.now() - RECENT)
        wanted = Wanted(most=most, start=FIRST_LANE, since=recent, per_lane=most, per_tenant=most)
        return len(await claims.claim(connection, wanted))
