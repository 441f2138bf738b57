"""One process that serves: the API on the listener and, unless it has processes of its own, the worker."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from sqlalchemy.engine import URL
from starlette.types import ASGIApp

from app.core import logging, tally
from app.core.networks import mapped_network
from app.core.settings import Settings
from app.db.errors import DatabaseUnreachable
from app.db.listener import Listener
from app.db.session import Database, create_database
from app.engine.worker import Worker
from app.executions.caller import Outcome
from app.executions.housekeeping import keep_house, keep_partitions
from app.executions.job import Job
from app.executions.notifier import CHANNEL, Notifier
from app.front import LateApp, surround
from app.ingest.express import WebhookExpress
from app.server import metrics
from app.server.database import DatabaseUrls
from app.server.hardening import harden_process
from app.server.imports import end_of_imports, import_clients
from app.server.listener import BACKLOG, listen
from app.server.tracing import collecting
from app.services import Resources, Services, check_database, create_plans, create_services, open_resources
from app.sync_schedules.resyncer import Resyncer
from app.web.express import Express
from app.web.protocol import WireLimits, guarded_protocol
from app.worker import check_worker, create_worker, run_worker

BOOT_PATIENCE_S = 4.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """What each process of one installation is told."""

    settings: Settings
    urls: DatabaseUrls
    with_worker: bool


def prepare_process(settings: Settings) -> None:
    """What comes first in a process, before it holds a key."""
    logging.configure(settings.log_level, settings.log_format)
    harden_process()


async def check(service: Service) -> None:
    """Raises the ``BootFailure`` that a process of the service would meet."""
    async with AsyncExitStack() as stack:
        await _open(service, stack)


async def serve(
    service: Service, listener: socket.socket, stop: asyncio.Event, on_listening: Callable[[], None]
) -> None:
    """Until ``stop``; then finish the requests, then the worker's work, then close what is open."""
    async with AsyncExitStack() as stack:
        stack.enter_context(collecting())
        resources, worker_database = await _open(service, stack)
        if stop.is_set():
            return
        services = create_services(resources)
        days_kept = service.settings.execution_retention_days
        await keep_partitions(resources.database, days_kept=days_kept)
        listen(listener)
        if worker_database is not None:
            worker = await stack.enter_async_context(_working(resources, worker_database))
            services.admissions.on_stored = worker.ring
        else:
            notifier = Notifier(resources.database)
            services.admissions.on_stored = notifier.ring
            house = keep_house(resources.database, days_kept=days_kept, is_worker=False)
            await stack.enter_async_context(_meanwhile(house))
            await stack.enter_async_context(_meanwhile(notifier.run()))
        await stack.enter_async_context(_meanwhile(resources.changes.listen(service.urls.app)))
        await stack.enter_async_context(_meanwhile(services.limiter.run()))
        await stack.enter_async_context(_meanwhile(tally.keep_handing_over()))
        await stack.enter_async_context(_meanwhile(services.admissions.watch()))
        await _answer(services, listener, stop, on_listening)
        await services.ingest.waiting.drain()
        await services.admissions.close()
        await services.limiter.close()


async def work(service: Service, stop: asyncio.Event, on_working: Callable[[], None]) -> None:
    """The worker alone, until ``stop``, and until what it runs is done."""
    async with AsyncExitStack() as stack:
        stack.enter_context(collecting())
        stack.enter_context(metrics.served(service.settings))
        resources = await _open_resources(service.settings, service.urls.worker, stack)
        await check_worker(resources.database)
        import_clients()
        end_of_imports()
        await stack.enter_async_context(_meanwhile(resources.changes.listen(service.urls.worker)))
        worker = await stack.enter_async_context(_working(resources, resources.database))
        ears = Listener(service.urls.worker, CHANNEL, lambda _: worker.ring(), worker.ring)
        await stack.enter_async_context(_meanwhile(ears.run()))
        on_working()
        await stop.wait()


async def _open(service: Service, stack: AsyncExitStack) -> tuple[Resources, Database | None]:
    """Everything that the process holds open, checked; the worker's database only if it works here."""
    resources = await _open_resources(service.settings, service.urls.app, stack)
    if not service.with_worker:
        return resources, None
    return resources, await stack.enter_async_context(_worker_database(service))


async def _open_resources(settings: Settings, url: URL, stack: AsyncExitStack) -> Resources:
    try:
        async with asyncio.timeout(BOOT_PATIENCE_S):
            return await stack.enter_async_context(open_resources(settings, url))
    except TimeoutError:
        raise DatabaseUnreachable(
            f"{url.render_as_string()} did not answer within {BOOT_PATIENCE_S:g} s."
        ) from None


@asynccontextmanager
async def _worker_database(service: Service) -> AsyncIterator[Database]:
    settings = service.settings
    database = create_database(
        service.urls.worker,
        pool_size=settings.pool_size,
        overflow=settings.pool_overflow,
        timeout=settings.pool_timeout,
        application="jackfield-worker",
    )
    try:
        await check_database(database)
        await check_worker(database)
        yield database
    finally:
        await database.dispose()


@asynccontextmanager
async def _working(resources: Resources, database: Database) -> AsyncIterator[Worker[Job, Outcome]]:
    """Run executions while the block runs. What runs at its end may finish within the grace period; what
    does not is done again, by whoever claims it next."""
    stop, settings = asyncio.Event(), resources.settings
    async with asyncio.TaskGroup() as group:
        worker = create_worker(database, create_plans(resources, database), resources.calls, settings)
        resyncer = Resyncer(database, resources.fetch, resources.keys, document_limit=settings.document_limit)
        working = group.create_task(run_worker(worker, resyncer, database, settings, stop))
        yield worker
        stop.set()
        await asyncio.wait([working], timeout=settings.shutdown_grace)
        working.cancel()


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        task.cancel()


async def _answer(
    services: Services, listener: socket.socket, stop: asyncio.Event, on_listening: Callable[[], None]
) -> None:
    """Webhooks at once, the API when it is imported: within the second, for which those who ask wait."""
    settings = services.resources.settings
    api, is_listening = LateApp(), asyncio.Event()

    async def make_api() -> None:
        await is_listening.wait()
        await api.make(lambda: _create_api(services))

    def listening() -> None:
        is_listening.set()
        on_listening()

    proxies = _both_ways(settings.trusted_proxies)
    express = WebhookExpress(services.routes, services.ingest, settings, proxies)
    server = _Server(server_config(surround(api, services), settings, express), listening)

    async def drain() -> None:
        await stop.wait()
        _log.info("process.draining")
        services.draining.set()
        await asyncio.sleep(settings.drain_delay)
        server.should_exit = True

    async with _meanwhile(drain()), _meanwhile(make_api()):
        await server.serve([listener])


def _create_api(services: Services) -> ASGIApp:
    import_clients()
    from app.main import create_app  # what was imported before, everybody waited for

    app = create_app(services)
    end_of_imports()
    return app


def server_config(app: ASGIApp, settings: Settings, express: Express | None = None) -> uvicorn.Config:
    """How ``app`` is served. Its client is the peer, or whom a trusted proxy says it speaks for."""
    return uvicorn.Config(
        app,
        http=guarded_protocol(WireLimits(), express),
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=_both_ways(settings.trusted_proxies),
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace),
    )


def _both_ways(networks: Sequence[str]) -> list[str]:
    """IPv4 proxies also as a socket shows them that listens on ``::``."""
    return [*networks, *map(mapped_network, networks)]


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the signals to us and says when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
