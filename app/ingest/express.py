"""Webhooks that arrive in one piece at a route that is known: from the socket into the batch at once.

Nothing is decided here that ``app.ingest.gate`` would decide otherwise. Whatever is not plain (a refusal, a
handshake, a sender that waits, a limit to be asked for) is left to the gate, which begins from the start.
"""

import time
from collections.abc import Awaitable
from typing import Any, Final, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.core import tracing
from app.core.ids import new_id
from app.core.settings import Settings
from app.ingest.address import Naming
from app.ingest.gate import PREFIX, failed, lines, note, written
from app.ingest.inbound import PlainInbound, Reply
from app.ingest.routes import Routes
from app.ingest.service import Ingest
from app.web.express import Connection, ExpressRequest, Whole
from app.web.request_id import is_accepted

NOT_PLAIN: Final = frozenset({"prefer", "content-encoding"})
"""Headers that ask for more than to be stored."""


class WebhookExpress:
    """An ``app.web.express.Express``. ``proxies``: whose word on the client is believed."""

    def __init__(self, routes: Routes, ingest: Ingest, settings: Settings, proxies: list[str]) -> None:
        self._routes = routes
        self._ingest = ingest
        self._naming = Naming.of(settings)
        self._proxied = ProxyHeadersMiddleware(_nothing, proxies) if proxies else None

    def __call__(self, request: ExpressRequest) -> bool:
        whole = request.whole
        if not whole.target.startswith(PREFIX):
            return False
        started = time.perf_counter()
        path, _, query = whole.target.partition("?")
        slug, _, name = path[len(PREFIX) :].partition("/")
        route = self._routes.known(slug, name)
        if route is None or not route.is_plain or len(whole.body) > route.body_limit:
            return False
        fields = whole.fields
        if not NOT_PLAIN.isdisjoint(fields) or tracing.is_collecting():
            return False
        scheme, peer = self._origin(request.connection, whole)
        id = new_id()
        given = fields.get("x-request-id")
        request_id = given if given is not None and is_accepted(given) else str(id)
        parent = fields.get("traceparent")
        inbound = PlainInbound(
            id=id,
            url=f"{self._naming.public_url or scheme + '://' + fields['host']}{whole.target}",
            query=query,
            fields=fields,
            body=whole.body,
            peer=peer,
            request_id=request_id,
            trace_parent=None if parent is None else tracing.valid(parent.encode("ascii")),
        )

        def answer(outcome: Reply | Exception) -> None:
            if isinstance(outcome, Reply):
                status, rest = outcome.status, written(outcome, request_id)
            else:
                status, headers, body = failed(outcome, request_id)
                rest = lines(headers, request_id, body)
            request.answer(status, rest)
            note("POST", status, time.perf_counter() - started, request_id)

        return self._ingest.try_accept(route, inbound, answer)

    def _origin(self, connection: Connection, whole: Whole) -> tuple[str, str | None]:
        """The scheme that the sender used, and its address."""
        scope: dict[str, Any] = {"type": "http", "scheme": connection.scheme, "client": connection.client}
        if self._proxied is not None:
            scope["headers"] = [(name.encode(), value.encode()) for name, value in whole.fields.items()]
            _run_through(self._proxied(cast("Any", scope), _nothing, _nothing))
        client = scope["client"]
        return scope["scheme"], client[0] if client else None


async def _nothing(*_: object) -> Any:
    """An application, or a channel, that is not used."""


def _run_through(waits_for_nothing: Awaitable[None]) -> None:
    """The middleware looks at the scope before it awaits anything."""
    for _ in waits_for_nothing.__await__():
        raise RuntimeError("the middleware waits for something")
