"""``/webhook/…`` beside FastAPI: a lean ASGI application on the way in, as every microsecond there counts.

It stands outside the middleware of the API and does for a webhook what that does for a request, in one
function: an id, the input guard, problem documents, metrics, the log. What it does is documented in
``openapi.json`` by ``app.ingest.document``.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import orjson
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.authenticator import Authenticator
from app.core import tracing
from app.core.errors import AppError, NotFound, TooLarge
from app.core.ids import new_id
from app.core.settings import MAX_WEBHOOK_BODY, Settings
from app.ingest.address import Address, FirstValues, Naming, first_values, read_address, url_of
from app.ingest.inbound import Inbound, Reply
from app.ingest.metrics import refused
from app.ingest.routes import Route, Routes
from app.ingest.service import Ingest
from app.web.errors import MethodNotAllowed
from app.web.guard import head_refusal, too_slow
from app.web.metrics import observe
from app.web.problem import problem, report
from app.web.request_id import ABANDONED, HEADER, accepted_id
from app.web.translation import translate

PREFIX: Final = "/webhook/"
BODY_SECONDS: Final = 30.0
"""In which a body has to arrive, and the longest gap between two pieces of it."""
IDLE_SECONDS: Final = 10.0

Rendered = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, header fields, body."""

_ROUTE: Final = "/webhook/{handler}"
"""What the log and the metrics name: an address can hold what nobody else should know."""
_SUCCESS: Final = range(200, 300)

_log = structlog.get_logger(__name__)


class WebhookGate:
    """Answers under ``/webhook/`` and hands everything else on."""

    def __init__(
        self, app: ASGIApp, routes: Routes, authenticator: Authenticator, ingest: Ingest, settings: Settings
    ) -> None:
        self._app = app
        self._routes = routes
        self._authenticator = authenticator
        self._ingest = ingest
        self._naming = Naming.of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = first_values(scope["headers"])
        request_id = (HEADER in given and accepted_id(scope)) or str(new_id())
        try:
            status, headers, body = rendered(await self._answer(scope, receive, given, request_id))
        except _Abandoned:
            status = ABANDONED
        except Exception as exception:  # noqa: BLE001 - nothing unfiltered reaches the server or its log
            status, headers, body = failed(exception, request_id)
        if status != ABANDONED:
            headers.append((HEADER, request_id.encode()))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        note(scope["method"], status, time.perf_counter() - started, request_id)

    async def _answer(self, scope: Scope, receive: Receive, headers: FirstValues, request_id: str) -> Reply:
        if refusal := head_refusal(scope, MAX_WEBHOOK_BODY):
            raise refusal
        address = read_address(scope["path"], headers, self._naming)
        route = await self._find(address)
        if scope["method"] not in route.allowed:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(route.methods))})
        body = await _read(receive, route.body_limit)
        client = scope.get("client")
        inbound = Inbound(
            method=scope["method"],
            url=url_of(scope, headers, self._naming),
            query=scope["query_string"].decode("latin-1"),
            headers=scope["headers"],
            prefer=headers.get(b"prefer"),
            body=body,
            peer=client[0] if client else None,
            request_id=request_id,
            token=address.token,
        )
        with tracing.webhook(headers.get(b"traceparent")) as trace:
            inbound.trace_parent = trace.parent
            return await self._ingest.accept(route, inbound)

    async def _find(self, address: Address) -> Route:
        """Raises ``NotFound``, alike for unknown, disabled and foreign, and ``Unauthenticated``."""
        slug = address.tenant_slug
        if slug is None:
            slug = (await self._authenticator.authenticate(address.token or "")).tenant_slug
        route = await self._routes.find(slug, address.handler)
        if route is None:
            raise NotFound
        return route


class _Abandoned(Exception):
    """The sender left before it had sent everything."""


async def _read(receive: Receive, limit: int) -> bytes:
    """The raw bytes of the body. Raises ``TooLarge`` and ``RequestTimedOut``."""
    chunks: list[bytes] = []
    size = 0
    deadline = time.monotonic() + BODY_SECONDS
    while True:
        try:
            async with asyncio.timeout(min(IDLE_SECONDS, deadline - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise too_slow() from None
        if message["type"] == "http.disconnect":
            raise _Abandoned
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(
                f"A webhook of this handler holds at most {limit} bytes.", headers={"Connection": "close"}
            )
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def failed(exception: Exception, request_id: str) -> Rendered:
    """The problem document that a sender gets; counted, and in the log if it is ours to mend."""
    error = translate(exception)
    if not isinstance(exception, AppError):
        report(exception, error, request_id=request_id)
    refused(error)
    status, named, body = problem(error, request_id)
    return status, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()], body


def rendered(reply: Reply) -> Rendered:
    body = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    if "content-type" not in reply.headers:
        headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", b"%d" % len(body)))
    return reply.status, headers, body


def written(reply: Reply, request_id: str) -> bytes:
    """What follows the status line and the fields that all responses have."""
    if reply.headers or not isinstance(reply.body, bytes):
        _, headers, body = rendered(reply)
        return lines(headers, request_id, body)
    return b"content-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n\r\n%b" % (
        len(reply.body),
        request_id.encode(),
        reply.body,
    )


def lines(headers: Sequence[tuple[bytes, bytes]], request_id: str, body: bytes) -> bytes:
    """The same, of what ``rendered`` or ``failed`` made."""
    fields = [b"%b: %b\r\n" % field for field in headers]
    return b"".join((*fields, b"x-request-id: ", request_id.encode(), b"\r\n\r\n", body))


def note(method: str, status: int, seconds: float, request_id: str) -> None:
    """Accepted webhooks are in the database and in the metrics: they get no line."""
    observe(method, _ROUTE, status, seconds)
    if status in _SUCCESS:
        return
    _log.info(
        "request.handled",
        method=method,
        path=_ROUTE,
        status=status,
        duration_ms=round(seconds * 1000, 1),
        request_id=request_id,
    )
