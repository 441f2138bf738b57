"""HTTP/1.1 on the wire: uvicorn's protocol with the deadlines and limits that it lacks.

uvicorn waits for ever for the rest of a request's head, lets a head grow without bound, answers garbage in
the middle of another answer, and keeps what a client does not read for as long as that client likes. Bodies
are timed where they are read, by ``app.web.guard``; here is everything before, between and after them.
"""

import asyncio
import enum
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.core.errors import AppError, TooManyRequests, Unavailable
from app.core.ids import new_id
from app.web.errors import HeadersTooLarge, MalformedHttp, RequestTimedOut, UriTooLong
from app.web.express import Express, ExpressRequest, read_whole
from app.web.problem import problem
from app.web.transport import GuardedTransport, Timer

KIB = 1 << 10

_FIELD_FRAMING = len(": \r\n")
_TELLING = frozenset({b"host", b"transfer-encoding", b"expect"})
"""Fields that say how a message is to be read."""
_FRAMING_PER_BYTE = 8
"""Bytes of chunk framing allowed per byte of body. Chunks of one byte need five; a little may be padding."""

SIP_S = 0.01
"""Between two reads of what a client sends and nobody reads: up to 256 KiB each, as much as uvloop reads at
once. On a local network a whole socket buffer otherwise comes as fast as the processor can throw it away."""

_CLOSE = b"connection: close\r\n"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Sizes in bytes, times in seconds."""

    head_seconds: float = 10.0
    """From the first byte of a request, or from the connect, to the end of its headers."""
    target_size: int = 16 * KIB
    head_size: int = 64 * KIB
    headers: int = 100
    pipelined: int = 32
    """Requests that may wait behind the one being answered."""
    write_seconds: float = 60.0
    """In which a client that is behind has to read ``write_size`` of our answer."""
    write_size: int = 16 * KIB
    linger_seconds: float = 2.0
    """In which a client that is still sending may stop and read its answer."""


def guarded_protocol(limits: WireLimits, express: Express | None = None) -> type["GuardedProtocol"]:
    """The class to give to ``uvicorn.Config(http=...)``."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits, "express": express})


class _Common:
    """The lines of the fields that all responses have: uvicorn makes a new list of them once a second."""

    def __init__(self) -> None:
        self._fields: list[tuple[bytes, bytes]] = []
        self._lines = b""

    def lines(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        if fields is not self._fields:
            self._fields = fields
            self._lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        return self._lines


_common = _Common()


class _Reading(enum.Enum):
    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    A request that cannot be served is *refused*: nothing more is parsed, requests before it are answered
    first, then it gets its problem document, and the connection is closed so that the client can read it.
    """

    limits: ClassVar[WireLimits] = WireLimits()
    express: ClassVar[Express | None] = None
    transport: GuardedTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading = _Reading.NOTHING
        self._most_head, self._most_headers = self.limits.head_size, self.limits.headers
        self._messages = 0
        self._has_begun = False  # more than blank lines of the message has arrived
        self._head_size = 0
        self._body_size = 0
        self._framing_size = 0
        self._hosts = 0
        self._codings: list[bytes] = []
        # The first one is with the application, or with `express`.
        self._unanswered: deque[RequestResponseCycle | ExpressRequest] = deque()
        self._refusal: AppError | None = None
        self._head_timer = Timer(self._head_is_late)
        self._drain_timer = Timer(self._close)
        self._sip_timer = Timer(self._read_on)
        # One for many requests: to start and to stop one for each costs more than to look at the clock.
        self._idle_timer = Timer(self._look_whether_idle)
        self._idle_since = 0.0

    # asyncio calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        guarded = GuardedTransport(
            transport,
            lambda: self._reading is not _Reading.NOTHING,
            write_seconds=self.limits.write_seconds,
            write_size=self.limits.write_size,
            linger_seconds=self.limits.linger_seconds,
        )
        super().connection_made(guarded)
        self._head_timer.start(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.forget()
        super().connection_lost(exc)
        for cycle in self._unanswered:
            # uvicorn tells the newest only, and would leave an older one waiting for ever.
            cycle.disconnected = True
            cycle.message_event.set()
        self._unset_keepalive_if_required()
        self._head_timer.stop()
        self._drain_timer.stop()
        self._sip_timer.stop()
        self._idle_timer.stop()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None or self.transport.is_closing():
            self._sip()
            return
        if self._drain_timer.is_running:
            self._sip()
        self._unset_keepalive_if_required()
        if self._reading is _Reading.NOTHING:
            if self._is_taken(data):
                return
            self._begin_head()
        reading, body_size = self._reading, self._body_size
        message = self._messages if self._has_begun else self._messages + 1
        try:
            self._feed(data)
            if self._reading is _Reading.HEAD and not self._head_timer.is_running:
                self._head_timer.start(self.limits.head_seconds)
            if reading is self._reading and message == self._messages:
                self._count(len(data), self._body_size - body_size)
        except httptools.HttpParserError as error:
            # What a callback raises arrives as the parser's own error, in its context.
            cause = error.__context__
            self._refuse(cause if isinstance(cause, AppError) else MalformedHttp())
        except AppError as error:
            self._refuse(error)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.watch_writes()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.transport.unwatch_writes()

    # The parser calls these.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._reading is _Reading.NOTHING:
            self._begin_head()
        self._messages += 1
        self._has_begun = True
        self._hosts = 0
        self._codings = []

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.target_size:
            raise UriTooLong

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is _Reading.BODY:
            # A trailer. Among the headers it could pass for one (RFC 9110, section 6.5.1).
            return
        self._head_size += len(name) + len(value) + _FIELD_FRAMING
        if self._head_size > self._most_head or len(self.headers) == self._most_headers:
            raise HeadersTooLarge
        # What uvicorn does in its own method, of which a call would be half the cost.
        name = name.lower()
        if name in _TELLING:
            self._note_header(name, value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._refuse_ambiguity()
        self._refuse_crowd()
        super().on_headers_complete()
        if self._head_timer.is_running:
            self._head_timer.stop()
        self._reading = _Reading.BODY
        self._body_size = self._framing_size = 0
        self._unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._reading = _Reading.NOTHING
        if self._drain_timer.is_running:
            self._drain_timer.stop()
        if not self._unanswered:
            self._await_next()

    # The server and the response call these.

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unanswered.popleft()
        if self._unanswered or self.transport.is_closing():
            return
        if self._refusal is not None:
            self._answer(self._refusal)
        elif self._reading is _Reading.BODY:
            # Answered early. A client that sends the rest at once may keep its connection.
            self._unset_keepalive_if_required()
            self._drain_timer.start(self.limits.linger_seconds)
        elif self._reading is _Reading.HEAD:
            self._unset_keepalive_if_required()

    def finish(self, request: ExpressRequest, line: bytes, rest: bytes) -> None:
        end = b"" if request.keep_alive else _CLOSE
        self.transport.write(b"".join((line, _common.lines(self.server_state.default_headers), end, rest)))
        if request.keep_alive and len(self._unanswered) == 1 and self._is_between_requests():
            # What `on_response_complete` comes to when there is nothing else to do.
            self._unanswered.popleft()
            self.server_state.total_requests += 1
            self._idle_since = self.loop.time()
            if not self._idle_timer.is_running:
                self._idle_timer.start(self.timeout_keep_alive)
            return
        if not request.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _should_upgrade(self) -> bool:
        return False

    # Helpers

    def _is_between_requests(self) -> bool:
        return (
            self._reading is _Reading.NOTHING
            and self._refusal is None
            and not self.pipeline
            and not self.flow.read_paused
            and not self.transport.is_closing()
        )

    def _is_taken(self, data: bytes) -> bool:
        """Whether ``express`` has it: a whole request, before which nothing waits for an answer."""
        if self.express is None or self._unanswered or self.limit_concurrency is not None:
            return False
        whole = read_whole(data)
        if whole is None:
            return False
        before, request = self.cycle, ExpressRequest(self, whole)
        self.cycle = request  # type: ignore[assignment]
        self._unanswered.append(request)
        if not self.express(request):
            self.cycle = before
            self._unanswered.clear()
            return False
        if self._head_timer.is_running:
            self._head_timer.stop()
        return True

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # An offer, which a server may ignore (RFC 9110, section 7.8). The parser stops behind it.
                data = data[upgrade.args[0] :]
            else:
                return

    def _begin_head(self) -> None:
        self._reading = _Reading.HEAD
        self._has_begun = False
        self._head_size = self._framing_size = 0

    def _count(self, received: int, body: int) -> None:
        """Bound what the parser keeps or skips without a callback: unfinished headers, chunk framing."""
        if self._reading is _Reading.HEAD:
            self._framing_size += received
            if self._framing_size > self.limits.head_size:
                raise HeadersTooLarge
        elif self._reading is _Reading.BODY:
            self._framing_size += received - body
            if self._framing_size > self.limits.head_size + _FRAMING_PER_BYTE * self._body_size:
                raise MalformedHttp("The body has more chunk framing than body.")

    def _note_header(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
        elif name == b"transfer-encoding":
            self._codings.append(value.strip().lower())
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _refuse_ambiguity(self) -> None:
        """Refuse what another server on the way could read as another request (RFC 9112, 3.2 and 6.3)."""
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            raise MalformedHttp("Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        if self._hosts > 1 or (self._hosts == 0 and version == "1.1"):
            raise MalformedHttp("A request needs exactly one Host header.")
        if self._codings and (self._codings != [b"chunked"] or version == "1.0"):
            raise MalformedHttp("The only transfer coding is chunked, in HTTP/1.1.")

    def _refuse_crowd(self) -> None:
        if len(self.pipeline) >= self.limits.pipelined:
            raise TooManyRequests("Too many requests were sent before the first was answered.")
        if self.limit_concurrency is not None and (
            max(len(self.connections), len(self.tasks)) >= self.limit_concurrency
        ):
            raise Unavailable(headers={"Retry-After": "1"})

    def _head_is_late(self) -> None:
        if self.flow.read_paused:
            # We are not listening, because earlier requests are still being answered.
            self._head_timer.start(self.limits.head_seconds)
        elif self._has_begun:
            self._refuse(RequestTimedOut("The request's headers did not arrive in time."))
        elif self._unanswered:
            self._reading = _Reading.NOTHING
        else:
            self._close()

    def _look_whether_idle(self) -> None:
        """Close what has been idle since a plain answer; uvicorn looks after all other waiting."""
        if (
            self._unanswered
            or self._reading is not _Reading.NOTHING
            or self.timeout_keep_alive_task is not None
        ):
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer.start(left)
        else:
            self._close()

    def _await_next(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _sip(self) -> None:
        """Leave the client waiting for a moment: nobody reads what it sends, and others have a use for us."""
        self.transport.pause_reading()
        self._sip_timer.start(SIP_S)

    def _read_on(self) -> None:
        if self.transport.is_closing() or not self.flow.read_paused:
            self.transport.resume_reading()

    def _close(self) -> None:
        self.transport.close()

    def _refuse(self, refusal: AppError) -> None:
        self._refusal = refusal
        self._head_timer.stop()
        if self._reading is _Reading.BODY:
            self._abandon_current()
        if not self._unanswered and not self.transport.is_closing():
            self._answer(refusal)

    def _abandon_current(self) -> None:
        """Take back the request whose body broke off. If its answer has begun, nothing more can be said."""
        cycle = self.cycle
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            self.transport.close()
            return
        self._unanswered.pop()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()

    def _answer(self, refusal: AppError) -> None:
        status, headers, body = problem(refusal, request_id := str(new_id()))
        fields = [
            *self.server_state.default_headers,
            *((name.encode(), value.encode()) for name, value in headers.items()),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()
        _log.info("request.refused", status=status, code=refusal.code, request_id=request_id)
