"""Tells the workers of other processes that executions were stored.

Not in the transaction that stores them: all that notify take turns for their commit, in the whole instance.
What is lost here costs nothing but time, for workers also look by themselves.
"""

import asyncio
from typing import Final

import structlog

from app.db.session import Database

CHANNEL: Final = "jackfield_due"
PAUSE_S: Final = 0.02
"""Between two notifications, each of which stands for all that was stored before it."""

_log = structlog.get_logger(__name__)


class Notifier:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Something was stored, and is committed."""
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                async with self._database.statements() as connection:
                    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
            except Exception as error:  # noqa: BLE001 - who only tells must not stop who serves
                _log.warning("notifier.failed", error=type(error).__name__)
            await asyncio.sleep(PAUSE_S)
