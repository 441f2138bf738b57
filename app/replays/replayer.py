"""The loop in which a worker takes turns at whatever replays are due. Any number of processes may run it."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from app.db.session import Database
from app.replays.repository import claim_replay
from app.replays.turn import take_turn

LEASE: Final = timedelta(seconds=15)
"""A turn that was interrupted is taken again after this long."""
MAX_BACKOFF_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Replayer:
    """``database``: as the worker's role; ``poll_s``: seconds between two looks when nothing was due."""

    def __init__(self, database: Database, *, poll_s: float) -> None:
        self._database = database
        self._poll_s = poll_s

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; a turn that was begun is taken to its end."""
        pause = self._poll_s
        while not stop.is_set():
            try:
                was_due = await self.take_turn()
                pause = self._poll_s
            except Exception as error:  # noqa: BLE001 - one replay, or a database away, must not stop the rest
                _log.warning("replays.turn_interrupted", error=type(error).__name__)
                was_due, pause = False, min(pause * 2, MAX_BACKOFF_S)
            if not was_due:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)

    async def take_turn(self) -> bool:
        """Take the turn that is due longest, if one is; whether one was."""
        async with self._database.transaction(None) as session:
            claim = await claim_replay(session, LEASE)
        if claim is None:
            return False
        async with self._database.transaction(claim.tenant_id) as session:
            await take_turn(session, claim)
        return True
