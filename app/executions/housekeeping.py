"""Partitions for the days to come, and an end to what was kept for a time."""

import asyncio
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.session import Database
from app.executions import claims

INTERVAL_S: Final = 600.0
DAYS_AHEAD: Final = 7

_log = structlog.get_logger(__name__)


async def keep_partitions(database: Database, *, days_kept: int) -> None:
    """Before anything is admitted: without the partition of a day, nothing of that day can be stored."""
    async with database.transaction(None) as session:
        dropped = await claims.keep_partitions(session, ahead=DAYS_AHEAD, kept=days_kept)
    if dropped:
        _log.info("executions.dropped", days=dropped)


async def keep_house(database: Database, *, days_kept: int, is_worker: bool) -> None:
    """Until cancelled. ``is_worker``: whether the database is the worker's, whose business the rest is."""
    while True:
        try:
            await keep_partitions(database, days_kept=days_kept)
            if is_worker:
                async with database.transaction(None) as session:
                    await claims.purge_expired(session)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("executions.housekeeping_failed", error=type(error).__name__)
        await asyncio.sleep(INTERVAL_S)
