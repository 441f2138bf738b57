"""How much work waits, of all tenants: for the metrics, and to see whether the queue can be read."""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.session import Database
from app.executions import claims, metrics

INTERVAL_S: Final = 15.0
"""At most so often is it counted, for what waits has to be counted row by row."""
PATIENCE_S: Final = 2.0

_log = structlog.get_logger(__name__)


class Backlog:
    """One per process and login."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raises what kept the queue from being read. A long one that takes its time can be read."""
        if self._is_fresh():
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.read())
        done, _ = await asyncio.wait({self._reading}, timeout=PATIENCE_S)
        for task in done:
            task.result()

    async def watch(self) -> None:
        """Show it in the metrics, until cancelled."""
        while True:
            try:
                await self.read()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("backlog.not_read", error=type(error).__name__)
            await asyncio.sleep(INTERVAL_S)

    async def read(self) -> None:
        async with self._database.transaction(None) as session:
            waiting, oldest = await claims.backlog(session)
        self._read_at = time.monotonic()
        metrics.backlog_is(waiting, oldest / timedelta(seconds=1))

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < INTERVAL_S
