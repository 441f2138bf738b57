"""Webhooks that arrive in one piece at a route that is known: from the parser into the batch at once.

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
from app.ingest.address import Naming, first_values, url_of
from app.ingest.gate import PREFIX, failed, note, rendered
from app.ingest.inbound import Inbound, Reply
from app.ingest.routes import Routes
from app.ingest.service import Ingest
from app.web.express import ExpressRequest
from app.web.guard import is_plain
from app.web.request_id import HEADER, accepted_id

NOT_PLAIN: Final = frozenset({b"prefer", b"content-encoding"})
"""Headers that ask for more than to be stored."""


class WebhookExpress:
    """An ``app.web.express.Express``. ``proxies``: whose word on the client is believed."""

    prefix = PREFIX.encode()

    def __init__(self, routes: Routes, ingest: Ingest, settings: Settings, proxies: list[str]) -> None:
        self._routes = routes
        self._ingest = ingest
        self._naming = Naming.of(settings)
        self._proxied = ProxyHeadersMiddleware(_nothing, proxies) if proxies else None

    def __call__(self, request: ExpressRequest) -> bool:
        started = time.perf_counter()
        path, _, query = request.url.partition(b"?")
        slug, _, name = path[len(self.prefix) :].partition(b"/")
        route = self._routes.known(slug.decode("latin-1"), name.decode("latin-1"))
        if route is None or not route.is_plain or len(request.body) > route.body_limit:
            return False
        scope = request.scope
        headers = first_values(scope["headers"])
        if not NOT_PLAIN.isdisjoint(headers) or (query and not is_plain(query)) or tracing.is_collecting():
            return False
        unique = headers if len(headers) == len(scope["headers"]) else None
        needs_url = unique is None or route.quick is None or route.delivery_headers is None
        scope["raw_path"], scope["query_string"] = path, query
        if self._proxied is not None:
            _run_through(self._proxied(cast("Any", scope), _nothing, _nothing))
        client = scope["client"]
        request_id = (HEADER in headers and accepted_id(scope)) or str(new_id())
        inbound = Inbound(
            method="POST",
            url=url_of(scope, headers, self._naming) if needs_url else "",
            query=query.decode("ascii"),
            headers=scope["headers"],
            body=request.body,
            peer=client[0] if client else None,
            request_id=request_id,
            trace_parent=tracing.valid(headers.get(b"traceparent")),
        )

        def answer(outcome: Reply | Exception) -> None:
            status, fields, body = (
                rendered(outcome) if isinstance(outcome, Reply) else failed(outcome, request_id)
            )
            fields.append((HEADER, request_id.encode()))
            request.answer(status, b"".join([b"%b: %b\r\n" % field for field in fields]), body)
            note("POST", status, time.perf_counter() - started, request_id)

        return self._ingest.try_accept(route, inbound, unique, answer)


async def _nothing(*_: object) -> Any:
    """An application, or a channel, that is not used."""


def _run_through(waits_for_nothing: Awaitable[None]) -> None:
    """The middleware looks at the scope before it awaits anything."""
    for _ in waits_for_nothing.__await__():
        raise RuntimeError("the middleware waits for something")
