"""From exceptions of Starlette, SQLAlchemy and asyncpg to our own errors; FastAPI's register themselves.

No message of theirs is passed on unread: many repeat the value that was sent, some repeat SQL.
"""

from functools import singledispatch

from starlette.exceptions import HTTPException

from app.core.errors import (
    AppError,
    Conflict,
    Forbidden,
    MalformedRequest,
    NotFound,
    PreconditionFailed,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from app.db.outages import is_database_away, sqlstate
from app.web.errors import (
    HeadersTooLarge,
    MethodNotAllowed,
    RequestTimedOut,
    UnsupportedMediaType,
    UriTooLong,
)

_BY_STATUS: dict[int, type[AppError]] = {
    kind.status: kind
    for kind in (
        MalformedRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        RequestTimedOut,
        Conflict,
        PreconditionFailed,
        TooLarge,
        UriTooLong,
        UnsupportedMediaType,
        Unprocessable,
        TooManyRequests,
        HeadersTooLarge,
        Unavailable,
    )
}
_CLIENT_ERRORS = range(400, 500)

_DATA_EXCEPTION = "22"
"""A value that PostgreSQL cannot hold. A schema should have refused it first."""


@singledispatch
def translate(exception: Exception) -> AppError:
    """The error that a caller may see. What nobody foresaw is an ``AppError``: 500, and no detail."""
    match exception:
        case AppError():
            return exception
        case HTTPException():
            return _from_http(exception)
    if is_database_away(exception):
        return Unavailable(
            "The database did not answer. A write may or may not have happened: repeat it with the same "
            "Idempotency-Key, or read first.",
            headers={"Retry-After": "1"},
        )
    if sqlstate(exception).startswith(_DATA_EXCEPTION):
        return Unprocessable("A value in the request cannot be stored.")
    return AppError()


def _from_http(exception: HTTPException) -> AppError:
    if isinstance(exception.__cause__, AppError):
        # FastAPI wraps what reading the body raised into a 400.
        return exception.__cause__
    fallback = MalformedRequest if exception.status_code in _CLIENT_ERRORS else AppError
    return _BY_STATUS.get(exception.status_code, fallback)(headers=exception.headers)
