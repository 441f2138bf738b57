"""Whether an error says that the database is away or busy, so that the same may well succeed later."""

from traceback import walk_tb
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

DATABASE_ERRORS: Final = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a statement raises, by way of SQLAlchemy or of the driver alone."""

_TRANSIENT_STATES = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATEs, or their classes, after which the same request may well succeed: connection exceptions,
rollbacks by deadlock or serialisation, no resources, no lock in time, operator intervention (shut-down,
starting up, statement timeout). PostgreSQL, appendix A."""


def is_database_away(exception: BaseException) -> bool:
    if isinstance(exception, PoolTimeout | asyncpg.InterfaceError):
        return True
    if isinstance(exception, DBAPIError) and exception.connection_invalidated:
        return True
    # SQLAlchemy passes on as they are what a failed connect raises: OSErrors, a missing socket file included.
    if isinstance(exception, OSError) and _is_from_driver(exception):
        return True
    return sqlstate(exception).startswith(_TRANSIENT_STATES)


def sqlstate(exception: BaseException) -> str:
    """PostgreSQL's five-character code of an error (its documentation, appendix A), or nothing."""
    cause = exception.orig if isinstance(exception, DBAPIError) else exception
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else ""


def _is_from_driver(exception: BaseException) -> bool:
    frames = (frame for frame, _ in walk_tb(exception.__traceback__))
    return any(frame.f_globals.get("__name__", "").startswith("asyncpg.") for frame in frames)
