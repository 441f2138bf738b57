"""``/livez``: the process answers. ``/readyz``: what it needs answers, too. ``/metrics``: Prometheus."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core import tally
from app.core.boot import BootFailure

CHECK_TIMEOUT_S: Final = 5.0

_log = structlog.get_logger(__name__)


async def is_alive(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def is_ready(request: Request) -> JSONResponse:
    """200, or 503 with the checks that fail. No version and no address inside."""
    results = {name: await _passes(name, check) for name, check in request.app.state.checks.items()}
    results["accepting"] = not request.app.state.draining.is_set()
    status = "ok" if all(results.values()) else "unavailable"
    return JSONResponse(
        {"status": status, "checks": results},
        200 if status == "ok" else 503,
        headers={"Cache-Control": "no-store"},
    )


async def metrics(_: Request) -> Response:
    tally.hand_over()
    return Response(generate_latest(_registry()), media_type=CONTENT_TYPE_LATEST)


ROUTES: Final = [Route("/livez", is_alive), Route("/readyz", is_ready), Route("/metrics", metrics)]


def _registry() -> CollectorRegistry:
    """This process's own, or what all that share the port have counted."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


async def _passes(name: str, check: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except (Exception, BootFailure) as error:  # noqa: BLE001 - whatever fails, the answer is "not ready"
        _log.warning("readiness.failed", check=name, error=type(error).__name__)
        return False
    return True
