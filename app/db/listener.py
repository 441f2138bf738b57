"""Notifications from PostgreSQL, on a connection of their own that comes back when it was lost."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy.engine import URL

from app.db.admin import as_asyncpg

MAX_BACKOFF_S: Final = 5.0
CHECK_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Listener:
    """Calls ``on_message`` with each payload on a channel, and ``on_gap`` when messages may have been missed.

    LISTEN is bound to a session: the URL must not lead through a pooler in transaction mode.
    """

    def __init__(
        self, url: URL | str, channel: str, on_message: Callable[[str], None], on_gap: Callable[[], None]
    ) -> None:
        self._dsn = _dsn(as_asyncpg(url))
        self._channel = channel
        self._on_message = on_message
        self._on_gap = on_gap
        self.is_live = False
        """Whether every message that is sent now will arrive."""

    async def run(self) -> None:
        """Until cancelled."""
        backoff = 0.1
        while True:
            try:
                await self._listen()
                backoff = 0.1
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _log.warning("listener.interrupted", channel=self._channel, error=type(error).__name__)
                backoff = min(backoff * 2, MAX_BACKOFF_S)
            finally:
                self.is_live = False
            await asyncio.sleep(backoff)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(**self._dsn, timeout=MAX_BACKOFF_S)
        try:
            await connection.add_listener(self._channel, self._receive)
            self._on_gap()
            self.is_live = True
            while not connection.is_closed():
                await asyncio.sleep(CHECK_S)
                await connection.execute("SELECT 1", timeout=MAX_BACKOFF_S)
        finally:
            self.is_live = False
            await connection.close(timeout=1)

    def _receive(self, _: object, __: int, ___: str, payload: object) -> None:
        self._on_message(str(payload))


def _dsn(url: URL) -> dict[str, Any]:
    """What ``asyncpg.connect`` takes. Host and port in the query come first, as SQLAlchemy and libpq have it:
    a socket folder travels there."""
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    return {
        "host": query.get("host") or url.host,
        "port": int(query["port"]) if "port" in query else url.port,
        "user": url.username,
        "password": url.password,
        "database": url.database,
        "ssl": query.get("ssl"),
    }
