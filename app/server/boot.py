"""From settings to a running service: all is checked before anything is accepted, or nothing is started.

Imported first, and little with it: the program is imported while PostgreSQL starts and is brought to its
revision, so that two processors have something to do.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

from app.core.settings import Settings
from app.db.embedded import EmbeddedPostgres
from app.server import listener as listening
from app.server.hardening import harden_process
from app.server.imports import import_clients
from app.server.stop import StopSignals

if TYPE_CHECKING:
    from app.server.database import DatabaseUrls


def serve(
    settings: Settings, *, migrate: bool, with_worker: bool, on_listening: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; raises a ``BootFailure`` within seconds when that cannot work.

    ``on_listening`` gets the base URL once requests are answered, in a thread of its own.
    """
    harden_process()
    with (
        StopSignals() as stop,
        listening.bind(settings.host, settings.port) as listener,
        _prepared(settings, stop, migrate=migrate or settings.is_embedded) as urls,
    ):
        from app.server import process, running

        def announce() -> None:
            Thread(target=on_listening, args=(listening.base_url(listener),), daemon=True).start()

        running.serve(process.Service(settings, urls, with_worker), listener, stop, announce)


def work(settings: Settings, *, on_working: Callable[[], None]) -> None:
    """Run executions until SIGTERM or SIGINT; raises a ``BootFailure`` when that cannot work."""
    harden_process()
    with StopSignals() as stop, _prepared(settings, stop, migrate=settings.is_embedded) as urls:
        from app.server import process, running

        running.work(process.Service(settings, urls, with_worker=True), stop, on_working)


@contextmanager
def _prepared(settings: Settings, stop: StopSignals, *, migrate: bool) -> "Iterator[DatabaseUrls]":
    """The database while the block runs, at this release's revision if ``migrate``; the program imported."""
    server = EmbeddedPostgres(settings.data) if settings.is_embedded else None
    is_new = server is not None and not server.is_laid_out
    with ThreadPoolExecutor(1, "importer") as importer:
        beginning = importer.submit(_import_beginning, is_new=is_new)
        rest = importer.submit(import_module, "app.server.running")
        if is_new:
            importer.submit(_import_what_comes_later)
        with server or nullcontext():
            beginning.result()
            if not is_new:
                rest.result()

            from app.core import logging
            from app.server import database

            logging.configure(settings.log_level, settings.log_format)
            urls = database.database_urls(settings, server)
            if migrate:
                stop.run_or_cancel(database.bring_to_head(settings, urls))
            rest.result()
            yield urls


def _import_beginning(*, is_new: bool) -> None:
    """What a new database is migrated with, all of it. Who migrates imports nothing more while the rest is
    imported: of packages that import each other, two threads might each find the other's half done."""
    import_module("app.server.database")
    if is_new:
        for name in ("app.db.revisions", "sqlalchemy.dialects.postgresql.asyncpg", "app.models"):
            import_module(name)


def _import_what_comes_later() -> None:
    """Where there is time: a new database takes longer to make than webhooks need to be imported."""
    import_clients()
    import_module("app.main")
