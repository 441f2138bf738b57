"""One connection at a time for the administrator's work: roles, databases, migrations. No pool, no ORM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.errors import DatabaseMissing, DatabaseUnreachable

_CONNECT_TIMEOUT = 10.0
_NO_SUCH_DATABASE = "3D000"


def as_asyncpg(url: URL | str) -> URL:
    """An operator's URL (``postgresql://…?sslmode=require``, libpq's words) in asyncpg's words."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    query = {"ssl" if key == "sslmode" else key: value for key, value in parsed.query.items()}
    return parsed.set(query=query)


@asynccontextmanager
async def administer(url: URL | str, *, autocommit: bool = False) -> AsyncIterator[AsyncConnection]:
    """A connection, closed afterwards. ``autocommit``: for what no transaction may hold (a new database)."""
    target = as_asyncpg(url)
    engine = create_async_engine(
        target,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT" if autocommit else "READ COMMITTED",
        connect_args={
            "timeout": _CONNECT_TIMEOUT,
            "server_settings": {"application_name": "jackfield-admin"},
        },
    )
    try:
        connection = await engine.connect()
    except (OSError, DBAPIError) as error:
        await engine.dispose()
        reason = error.orig if isinstance(error, DBAPIError) else error
        is_missing = isinstance(error, DBAPIError) and sqlstate(error) == _NO_SUCH_DATABASE
        raise (DatabaseMissing if is_missing else DatabaseUnreachable)(
            f"Cannot connect to {target.render_as_string(hide_password=True)}: {reason or 'no answer'}."
        ) from None
    try:
        yield connection
    finally:
        await connection.close()
        await engine.dispose()


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's five-character code of an error (its documentation, appendix A)."""
    return str(getattr(error.orig, "sqlstate", None) or "")
