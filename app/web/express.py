"""Whole requests, taken and answered without ASGI: for the one kind that comes thousands of times a second.

An ASGI application costs each request a task, an event, two coroutines and four messages, and the parser
before it a call for every header. A POST that arrives in one piece and has nothing out of the ordinary is
read here at once. Who can tell what to do with it takes it, and answers with one write; otherwise the parser
gets the same bytes, and nothing has happened.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_MOST_HEAD: Final = 8 * 1024
"""Bytes of request line and headers; a larger head is left to the parser."""
_HEAD: Final = re.compile(
    r"POST (/[!$&-;=?-Z_a-z~]*) HTTP/1\.1\r\n"
    r"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [!-~](?:[ -~]*[!-~])?\r\n){1,64})"
)
"""A target and fields as nearly all senders write them: of what RFC 9112 allows, the part that can be read in
one way only."""
_FIELD: Final = re.compile(r"([^:]+): ([^\r]*)\r\n")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_NOT_PLAIN: Final = frozenset({"transfer-encoding", "expect", "upgrade"})
"""Fields that change how a message is read."""
_END: Final = b"\r\n\r\n"


class Whole:
    """What a request says. ``fields``: its headers, names in lower case, none of which came twice."""

    __slots__ = ("body", "fields", "target")

    def __init__(self, target: str, fields: Mapping[str, str], body: bytes) -> None:
        self.target = target
        self.fields = fields
        self.body = body


def read_whole(data: bytes) -> Whole | None:
    """The request that ``data`` is, if it is one POST, plain and whole; its connection is to be kept."""
    end = data.find(_END, 0, _MOST_HEAD) if data.startswith(b"POST ") else -1
    if end < 0:
        return None
    head = _HEAD.fullmatch(str(data[: end + 2], "latin-1"))
    if head is None:
        return None
    target, lines = head.groups()
    pairs = _FIELD.findall(lines)
    fields = {name.lower(): value for name, value in pairs}
    length = fields.get("content-length", "")
    if (
        len(fields) != len(pairs)
        or "host" not in fields
        or not _LENGTH.fullmatch(length)
        or int(length) != len(data) - end - len(_END)
        or not _NOT_PLAIN.isdisjoint(fields)
        or fields.get("connection", "keep-alive").lower() != "keep-alive"
    ):
        return None
    return Whole(target, fields, data[end + len(_END) :])


class Express(Protocol):
    """Takes requests that came whole."""

    def __call__(self, request: "ExpressRequest") -> bool:
        """Take it, to be answered now or later; or leave it to the ASGI application, untouched."""


class Connection(Protocol):
    """What of a connection an answer needs. ``client``: address and port of the other end."""

    client: tuple[str, int] | None
    scheme: Literal["http", "https"] | None

    def finish(self, request: "ExpressRequest", line: bytes, rest: bytes) -> None:
        """Write the response, and go on to what comes next on the connection. ``line``: that of the status;
        ``rest``: all but it and the fields that every response has."""


class ExpressRequest:
    """A request, and the place of its answer on the connection. Stands where uvicorn has its own cycle."""

    __slots__ = (
        "connection",
        "disconnected",
        "keep_alive",
        "message_event",
        "response_complete",
        "response_started",
        "whole",
    )

    def __init__(self, connection: Connection, whole: Whole) -> None:
        self.connection = connection
        self.whole = whole
        self.keep_alive = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.message_event = _NOBODY_WAITS

    def answer(self, status: int, rest: bytes) -> None:
        """``rest``: header lines, each with its end, an empty one, the body. To a client that has left,
        nothing is said."""
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        self.connection.finish(self, STATUS_LINE[status], rest)


class _NoEvent:
    def set(self) -> None:
        """Nobody waits for the rest of a request that is whole."""


_NOBODY_WAITS = _NoEvent()
