"""Every kind of error a caller can meet, and nothing about HTTP but the status.

    AppError                      500
    ├── MalformedRequest          400
    ├── Unauthenticated           401
    ├── Forbidden                 403
    ├── NotFound                  404
    ├── Conflict                  409
    ├── PreconditionFailed        412
    ├── TooLarge                  413
    ├── Unprocessable             422   carries [{pointer, message}]
    ├── TooManyRequests           429
    ├── Unavailable               503
    └── UpstreamFailed            502
        └── UpstreamTimedOut      504

A feature subclasses one of these in its own ``errors.py``. The class name is the ``code`` a client
matches on, the docstring is the message it reads.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that is wrong: an RFC 6901 JSON Pointer into the body (or ``/query/limit``), and why."""

    pointer: str
    message: str


class AppError(Exception):
    """Something went wrong on our side."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "app_error"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.detail = detail or " ".join((self.__doc__ or "").split())
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(self.detail)


class MalformedRequest(AppError):
    """The request could not be read."""

    status = 400


class Unauthenticated(AppError):
    """No valid access token was sent."""

    status = 401


class Forbidden(AppError):
    """The access token does not grant this."""

    status = 403


class NotFound(AppError):
    """There is no such resource."""

    status = 404


class Conflict(AppError):
    """The request contradicts the current state."""

    status = 409


class PreconditionFailed(AppError):
    """The resource has changed since it was read: If-Match does not name its current version."""

    status = 412


class TooLarge(AppError):
    """The body is larger than is accepted here."""

    status = 413


class Unprocessable(AppError):
    """A field of the request is not valid."""

    status = 422


class TooManyRequests(AppError):
    """Too many requests; try again later."""

    status = 429


class Unavailable(AppError):
    """The service cannot do this right now; nothing was changed. Try again."""

    status = 503


class UpstreamFailed(AppError):
    """The upstream could not be reached or did not answer as it should."""

    status = 502


class UpstreamTimedOut(UpstreamFailed):
    """The upstream did not answer in time."""

    status = 504
