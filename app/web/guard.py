"""Refuses, before any handler runs, what no handler should have to think about.

Bodies that are too large or too slow, encodings that are not understood, and text that neither UTF-8 nor
PostgreSQL can hold. Nothing is buffered: the guard counts and times what the application itself reads.
"""

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import AppError, Fault, NotFound, TooLarge, Unprocessable
from app.web.errors import RequestTimedOut, UnsupportedMediaType
from app.web.problem import send_problem

MIB = 1 << 20

_PLAIN = re.compile(rb"[!-$&-~]*")
"""Visible ASCII without a percent sign: nothing is encoded, so nothing needs decoding."""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROLS_IN_QUERY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Without tab and line ends: webhooks by GET carry the text of a message in the query."""

_NO_ENCODING = (b"", b"identity")
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class BodyRule:
    """How much a body may hold, and how many seconds the client may keep us waiting for it in total."""

    path: re.Pattern[str]
    max_bytes: int
    seconds: float


DEFAULT_RULES = (
    BodyRule(re.compile(r"/sync-handlers/document$"), 64 * MIB, 120.0),
    BodyRule(re.compile(""), 1 * MIB, 30.0),
)
"""The first that matches the path counts."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    rules: tuple[BodyRule, ...] = DEFAULT_RULES
    idle_seconds: float = 10.0
    """The longest gap between two pieces of a body."""


class InputGuard:
    """ASGI middleware around the application; answers a refusal itself.

    Without a rule that matches, any body passes: end ``rules`` with one that matches everything.
    """

    def __init__(self, app: ASGIApp, limits: GuardLimits | None = None) -> None:
        self._app = app
        self._limits = limits or GuardLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule = next((rule for rule in self._limits.rules if rule.path.search(scope["path"])), None)
        if refusal := head_refusal(scope, None if rule is None else rule.max_bytes):
            await send_problem(refusal, scope, send)
        elif rule is None:
            await self._app(scope, receive, send)
        else:
            await _GuardedExchange(receive, send, rule, self._limits.idle_seconds).run(self._app, scope)


class _GuardedExchange:
    """``receive`` and ``send`` of one request, with the body's size and pace watched.

    When the body goes too far, ``receive`` raises and the refusal is the answer, whatever the application
    makes of the exception; unless it had begun to answer, then the connection ends with that answer.
    """

    def __init__(self, receive: Receive, send: Send, rule: BodyRule, idle_seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._rule = rule
        self._idle_seconds = idle_seconds
        self._seconds_left = rule.seconds
        self._size = 0
        self._is_complete = False
        self._has_started = False
        self._refusal: AppError | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if self._refusal is None or self._has_started:
                raise
        if self._refusal is not None and not self._has_started:
            await send_problem(self._refusal, scope, self._send)

    async def receive(self) -> Message:
        if self._refusal is not None:
            raise self._refusal
        if self._is_complete:
            # What comes now is the client's leaving, and that may take as long as it likes.
            return await self._receive()
        message = await self._receive_in_time()
        self._size += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._size > self._rule.max_bytes:
            raise self._refuse(too_large(self._rule.max_bytes))
        return message

    async def send(self, message: Message) -> None:
        if self._refusal is not None and not self._has_started:
            return
        self._has_started = True
        await self._send(message)

    async def _receive_in_time(self) -> Message:
        """Only the time spent waiting counts: the application may take its own between two pieces."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(min(self._idle_seconds, self._seconds_left)):
                return await self._receive()
        except TimeoutError:
            raise self._refuse(too_slow()) from None
        finally:
            self._seconds_left -= clock() - started

    def _refuse(self, refusal: AppError) -> AppError:
        self._refusal = refusal
        return refusal


def head_refusal(scope: Scope, max_bytes: int | None) -> AppError | None:
    """What is wrong with the head of a request, if anything; ``max_bytes``: of the body it announces."""
    if not _is_clean(scope.get("raw_path") or scope["path"].encode(), _CONTROLS):
        return NotFound()
    if not _is_clean(scope["query_string"], _CONTROLS_IN_QUERY):
        message = "The query holds control characters, or bytes that are not UTF-8."
        return Unprocessable(errors=[Fault("/query", message)])
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in _NO_ENCODING:
            # RFC 7694: name what would have been accepted.
            message = "The body must be sent without a Content-Encoding."
            return UnsupportedMediaType(message, headers={"Accept-Encoding": "identity"})
        if name == b"content-length" and max_bytes is not None and _length(value) > max_bytes:
            return too_large(max_bytes)
    return None


def _is_clean(encoded: bytes, refused: re.Pattern[str]) -> bool:
    if _PLAIN.fullmatch(encoded):
        return True
    try:
        text = unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return refused.search(text) is None


def _length(value: bytes) -> int:
    """Twenty digits are more than any limit, and as many as are converted in no time."""
    return int(value[:20]) if value.isdigit() else 0


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {max_bytes} bytes.", headers=_CLOSE)


def too_slow() -> RequestTimedOut:
    return RequestTimedOut("The request's body did not arrive in time.", headers=_CLOSE)
