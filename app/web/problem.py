"""Every error as a problem document (RFC 9457), whoever raised it and however far it got.

``problem`` renders; ``send_problem`` answers over ASGI, ``render`` as an exception handler; ``CatchAll``
stands around everything and turns what nobody expected into a 500 or a 503.
"""

import json
import traceback
from collections.abc import Iterator
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import AppError, Fault
from app.core.ids import new_id
from app.web.translation import translate

PROBLEM_JSON = "application/problem+json"
MAX_FAULTS = 50
MAX_POINTER = 500
"""Characters. Both bounds keep the answer to a hostile body small."""

_log = structlog.get_logger(__name__)

_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""RFC 9110's phrases where Python's before 3.13 are older, so that a title is the same everywhere."""


def problem(error: AppError, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to ``error``."""
    document = {
        **error.extra,
        "type": f"/problems/{error.code}",
        "title": title(error.status),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "requestId": request_id,
        "errors": [_member(fault) for fault in error.errors[:MAX_FAULTS]],
    }
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "content-type": PROBLEM_JSON,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **{name.lower(): value for name, value in error.headers.items()},
    }
    return error.status, headers, body


def title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


async def send_problem(error: AppError, scope: Scope, send: Send) -> None:
    """Answer a request that no response has been started for."""
    status, headers, body = problem(error, _request_id(scope))
    raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw_headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class CatchAll:
    """ASGI middleware: nothing that an application raises reaches the server, or the log, unfiltered.

    Starlette re-raises an unexpected exception after it has answered, and uvicorn would print it with its
    message; messages repeat what was sent. The log gets types and places only.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            _log.debug("request.abandoned")
        except Exception as exception:  # noqa: BLE001 - what nobody expected is the point
            error = translate(exception)
            report(exception, error)
            if not has_started:
                await send_problem(error, scope, send)


async def render(request: Request, exception: Exception) -> Response:
    status, headers, body = problem(translate(exception), _request_id(request.scope))
    return Response(body, status, headers)


def _member(fault: Fault) -> dict[str, str]:
    return {"pointer": fault.pointer[:MAX_POINTER], "message": fault.message}


def _request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id") or new_id())


def report(exception: Exception, error: AppError, **ids: str) -> None:
    """Log what only we can mend: where it happened, never what was in it. ``ids``: what the context lacks."""
    if isinstance(exception, AppError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    _log.error(
        "request.failed",
        code=error.code,
        causes=[_describe(cause) for cause in _chain(exception)],
        stack="".join(traceback.format_tb(exception.__traceback__)),
        **ids,
    )


def _chain(exception: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = exception
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _describe(exception: BaseException) -> str:
    """``module.Class``, with PostgreSQL's five-character state where there is one."""
    name = f"{type(exception).__module__}.{type(exception).__qualname__}"
    state = getattr(exception, "sqlstate", None)
    return f"{name} {state}" if isinstance(state, str) else name
