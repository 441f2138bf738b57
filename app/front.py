"""What answers first: webhooks and the questions of orchestrators here, everything else by the API."""

import asyncio
import re
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.settings import Settings
from app.ingest.gate import WebhookGate
from app.services import Services
from app.web import health
from app.web.guard import BodyRule, GuardLimits, InputGuard
from app.web.head import HeadAsGet
from app.web.problem import CatchAll
from app.web.request_id import RequestId


class LateApp:
    """An application that a thread makes while others answer; who asks for it waits until it is there."""

    def __init__(self) -> None:
        self._made: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await asyncio.shield(self._made)
        await app(scope, receive, send)

    async def make(self, make: Callable[[], ASGIApp]) -> None:
        """Once. Raises what ``make`` raises."""
        self._made.set_result(await asyncio.to_thread(make))


class _HealthFirst:
    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._health = Starlette(routes=health.ROUTES)
        self._health.state.checks = services.checks
        self._health.state.draining = services.draining
        self._paths = {route.path for route in health.ROUTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in self._paths
        await (self._health if is_ours else self._app)(scope, receive, send)


def surround(app: ASGIApp, services: Services) -> ASGIApp:
    """The middleware, from the outside in: webhooks, request id and log, catch-all, CORS, input guard."""
    settings = services.resources.settings
    guarded: ASGIApp = InputGuard(HeadAsGet(_HealthFirst(app, services)), _limits(settings))
    if settings.cors_origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"],
            expose_headers=[
                "ETag",
                "Location",
                "Link",
                "Retry-After",
                "X-Request-Id",
                "Idempotent-Replayed",
                "Warning",
            ],
        )
    return WebhookGate(
        RequestId(CatchAll(guarded)),
        services.routes,
        services.authenticator,
        services.ingest,
        settings,
    )


def _limits(settings: Settings) -> GuardLimits:
    return GuardLimits(
        (
            BodyRule(re.compile("/sync-handlers/document$"), settings.document_limit, 120.0),
            BodyRule(re.compile(""), settings.body_limit, 30.0),
        )
    )
