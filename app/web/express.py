"""Whole requests, taken and answered without ASGI: for the one kind that comes thousands of times a second.

An ASGI application costs each request a task, an event, two coroutines and four messages. Who can tell at
once what to do with a request that arrived in one piece takes it as it is, and answers with one write.
"""

from collections.abc import MutableMapping
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

CLOSE = b"connection: close\r\n"


class Connection(Protocol):
    """What of a connection an answer needs."""

    def finish(self, request: "ExpressRequest", line: bytes, rest: bytes) -> None:
        """Write the response, and go on to what comes next on the connection. ``line``: that of the status;
        ``rest``: all but it and the fields that every response has."""


class Express(Protocol):
    """Takes the POSTs to paths that start with ``prefix``."""

    prefix: bytes

    def __call__(self, request: "ExpressRequest") -> bool:
        """Take it, to be answered now or later; or leave it to the ASGI application, untouched."""


class ExpressRequest:
    """A request, and the place of its answer on the connection. Stands where uvicorn has its own cycle.

    ``scope``: as ASGI's, but for ``path``, ``raw_path`` and ``query_string``; ``url``: the request target.
    """

    __slots__ = (
        "_connection",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "url",
    )

    def __init__(
        self, connection: Connection, scope: MutableMapping[str, Any], url: bytes, *, keep_alive: bool
    ) -> None:
        self._connection = connection
        self.scope = scope
        self.url = url
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.message_event = _NOBODY_WAITS

    def answer(self, status: int, fields: bytes, body: bytes) -> None:
        """``fields``: header lines, each with its end. To a client that has left, nothing is said."""
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        end = b"\r\n" if self.keep_alive else CLOSE + b"\r\n"
        self._connection.finish(self, STATUS_LINE[status], b"".join((fields, end, body)))


class _NoEvent:
    def set(self) -> None:
        """Nobody waits for the rest of a request that is whole."""


_NOBODY_WAITS = _NoEvent()
