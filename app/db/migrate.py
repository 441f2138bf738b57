"""Bringing a database to this release's revision, and knowing whether it is there.

Alembic is imported where there is something to migrate, which at most starts there is not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

import app
from app.db.admin import administer, sqlstate
from app.db.errors import AdministratorUnfit, DatabaseNotMigrated, MigrationBlocked
from app.db.roles import OWNER

if TYPE_CHECKING:
    from app.db.revisions import Direction

# Beside the package, both in the repository and in the wheel, which carries the folder along.
MIGRATIONS = Path(app.__file__).parents[1] / "migrations"

_LOCK = 0x6A61_636B_6D69_6772  # "jackmigr"
_LOCK_PATIENCE = 60.0
_LOCK_POLL = 0.1
_BACKOFF = (0.5, 1.0, 2.0, 4.0)

_LOCK_NOT_AVAILABLE = "55P03"
_CANNOT_SET_ROLE = {"22023", "42501", "42704"}  # no such role, or not a member of it


async def upgrade(url: URL | str, revision: str = "head") -> None:
    """Bring the database of the administrator's `url` up to `revision`, each step in its own transaction."""
    await _migrate(url, "upgrade", revision)


async def downgrade(url: URL | str, revision: str) -> None:
    """Take the database back to `revision` (``base``: nothing of ours is left)."""
    await _migrate(url, "downgrade", revision)


async def current_revision(connection: AsyncConnection) -> str | None:
    """The revision of the database, None if it was never migrated."""
    if await connection.scalar(text("SELECT to_regclass('public.alembic_version')")) is None:
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM public.alembic_version"))
    return revision


@cache
def head_revision() -> str:
    """The revision that this release works with."""
    revisions = _revisions()
    if not revisions:
        raise DatabaseNotMigrated(f"This installation carries no migrations in {MIGRATIONS}.")
    return revisions[-1]


async def check_at_head(connection: AsyncConnection) -> None:
    found, wanted = await current_revision(connection), head_revision()
    if found == wanted:
        return
    if found is not None and found not in _revisions():
        raise DatabaseNotMigrated(
            f"The database is at revision {found}, which a newer release made: start that release."
        )
    raise DatabaseNotMigrated(
        f"The database is at revision {found or 'none'}, this release needs {wanted}: "
        "run `jackfield migrate`."
    )


@asynccontextmanager
async def migrating(url: URL | str) -> AsyncIterator[AsyncConnection]:
    """A connection as the owner of the tables, on which nobody migrates but us, and which waits for no lock
    longer than traffic can stand. Needs a session of its own: not through a pooler in transaction mode."""
    async with administer(url) as connection:
        await _take_turn(connection)
        try:
            await connection.exec_driver_sql(f"SET ROLE {OWNER}")
        except DBAPIError as error:
            if sqlstate(error) not in _CANNOT_SET_ROLE:
                raise
            raise AdministratorUnfit(
                f"The database login {connection.engine.url.username} may not SET ROLE {OWNER}: "
                "run `jackfield migrate` with JACKFIELD_ADMIN_DATABASE_URL naming an administrator."
            ) from error
        await connection.exec_driver_sql("SET lock_timeout = '2s'")
        await connection.exec_driver_sql("SET statement_timeout = '60s'")
        await connection.commit()
        yield connection


async def _migrate(url: URL | str, direction: "Direction", revision: str) -> None:
    """Run, and run again from where it stopped, while a lock is not free within ``lock_timeout``.

    Giving up and coming back is what lets the traffic pass that queued behind our request for the lock.
    """
    for pause in (*_BACKOFF, None):
        try:
            async with migrating(url) as connection:
                if revision != "head" or await current_revision(connection) != head_revision():
                    from app.db import revisions

                    await connection.run_sync(revisions.run, MIGRATIONS, direction, revision)
            return
        except DBAPIError as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise
            if pause is None:
                raise MigrationBlocked(
                    "A table stayed locked by other transactions; nothing is half done. "
                    "Run `jackfield migrate` again when there is less traffic."
                ) from error
            await asyncio.sleep(pause)


async def _take_turn(connection: AsyncConnection) -> None:
    """The lock is the session's: closing the connection releases it.

    Asked for again and again, not waited for: who waits inside PostgreSQL holds a snapshot, and
    CREATE INDEX CONCURRENTLY of the process that migrates would wait for us while we wait for it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LOCK_PATIENCE
    statement = text("SELECT pg_try_advisory_lock(:key)")
    while not await connection.scalar(statement, {"key": _LOCK}):
        await connection.rollback()
        if loop.time() > deadline:
            raise MigrationBlocked(
                f"Another process has been migrating this database for {_LOCK_PATIENCE:g} s."
            )
        await asyncio.sleep(_LOCK_POLL)
    await connection.commit()


def _revisions() -> list[str]:
    """In their order, which is that of the names of their files: ``0001_tables.py`` is revision 0001."""
    return sorted(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
