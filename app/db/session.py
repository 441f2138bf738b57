"""The one place that opens and commits a transaction, and that tells PostgreSQL whose it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Connection, event, text
from sqlalchemy.engine.url import URL
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, SessionTransaction

from app.core.ids import TenantId
from app.db.admin import as_asyncpg

DIRECT: Final = 6
"""Connections per process beside the pool: two that admit, one that claims, some that read and store."""
STATEMENT_S: Final = 30.0
"""For one of ``Database.statements``, which take milliseconds: who waits longer would wait for ever."""
SET_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")


class TenantSession(Session):
    """A session whose transactions begin by naming their tenant to row-level security."""


@event.listens_for(TenantSession, "after_begin")
def _name_the_tenant(session: Session, _: SessionTransaction, connection: Connection) -> None:
    connection.execute(SET_TENANT, {"tenant": str(session.info.get("tenant_id") or "")})


class Database:
    """Opens transactions: for one tenant, or for none (then no tenant's row can be seen or written)."""

    def __init__(self, bind: AsyncEngine | AsyncConnection, direct: AsyncEngine | None = None) -> None:
        """``direct``: connections that are handed out as they are, for ``statements``."""
        self.bind = bind
        self._direct = direct or bind
        self._sessions = async_sessionmaker(
            bind,
            sync_session_class=TenantSession,
            expire_on_commit=False,
            join_transaction_mode="create_savepoint",
        )

    @asynccontextmanager
    async def transaction(self, tenant_id: TenantId | None) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends and rolls back when it raises."""
        async with self._sessions.begin() as session:
            session.info["tenant_id"] = tenant_id
            yield session

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[asyncpg.Connection]:
        """The driver's own connection, for statements that are a transaction each: nothing stands between.

        No tenant is named, so only functions that need none may be called.
        """
        if isinstance(self._direct, AsyncEngine):
            async with self._direct.connect() as connection:
                try:
                    driver = await _driver(connection)
                    while driver.is_closed():  # by the server, while nobody used it
                        await connection.invalidate()
                        driver = await _driver(connection)
                    yield driver
                except BaseException:
                    # It may be broken, or busy with what was given up.
                    await connection.invalidate()
                    raise
        else:
            yield await _driver(self._direct)

    @asynccontextmanager
    async def statements_of(self, tenant_id: TenantId) -> AsyncIterator[asyncpg.Connection]:
        """The driver's own connection in a transaction of the tenant's, as ``transaction`` is one.

        For the few statements that are many every second: it costs two round trips beside them.
        """
        if isinstance(self._direct, AsyncEngine):
            async with self.statements() as connection:
                await connection.execute(f"BEGIN; SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'")
                yield connection
                await connection.execute("COMMIT")
        else:
            # Bound to one connection, whose transaction is somebody else's.
            async with self.transaction(tenant_id) as session:
                yield await driver_of(session)

    async def dispose(self) -> None:
        for bind in {self.bind, self._direct}:
            if isinstance(bind, AsyncEngine):
                await bind.dispose()


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """The driver's own connection inside the session's transaction."""
    return await _driver(await session.connection())


def create_database(
    url: URL | str, *, pool_size: int, overflow: int, timeout: float, application: str
) -> Database:
    """A pooled database. ``timeout``: seconds to wait for a free or a new connection."""
    options: dict[str, Any] = {"pool_timeout": timeout, "hide_parameters": True}
    connect = {"timeout": timeout, "server_settings": {"application_name": application}}
    engine = create_async_engine(
        as_asyncpg(url),
        pool_size=pool_size,
        max_overflow=overflow,
        pool_pre_ping=True,
        connect_args=connect,
        **options,
    )
    direct = create_async_engine(
        as_asyncpg(url),
        pool_size=DIRECT,
        max_overflow=0,
        pool_reset_on_return=None,
        connect_args={**connect, "command_timeout": STATEMENT_S},
        **options,
    )
    return Database(engine, direct)


async def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    return (await connection.get_raw_connection()).driver_connection
