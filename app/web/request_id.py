"""One name for one request: accepted or made, bound to every log line, returned, logged and counted once."""

import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.ids import new_id
from app.web.metrics import observe

HEADER = b"x-request-id"
ABANDONED = 499
"""The status in the log when the client left before it was answered (nginx's number for it)."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")

_log = structlog.get_logger(__name__)


class RequestId:
    """ASGI middleware, the outermost: ``X-Request-Id`` in and out, and the access log.

    The id is in ``scope["state"]["request_id"]``. The log line names the route, not the address that was
    sent, wherever a route matched: an address can hold a token. It never holds the query or a header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = accepted_id(scope) or str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        # A pipelined request runs in a copy of the context of the one before it.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = ABANDONED

        async def named_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id.encode())]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, named_send)
        finally:
            seconds, path = time.perf_counter() - started, _path(scope)
            _log.info(
                "request.handled",
                method=scope["method"],
                path=path,
                status=status,
                duration_ms=round(seconds * 1000, 1),
            )
            observe(scope["method"], path, status, seconds)
            structlog.contextvars.clear_contextvars()


def accepted_id(scope: Scope) -> str | None:
    """The id that the sender gave the request, if it is of our form."""
    values = [value for name, value in scope["headers"] if name == HEADER]
    given = str(values[0], "latin-1") if len(values) == 1 else ""
    return given if is_accepted(given) else None


def is_accepted(given: str) -> bool:
    """Whether an id that a sender gave is of our form."""
    return _ACCEPTED.fullmatch(given) is not None


def _path(scope: Scope) -> str:
    # FastAPI's `route` knows its path within its router only; the context it was included in knows it all.
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    template = getattr(route, "path", None)
    return template if isinstance(template, str) else "(no route)"
