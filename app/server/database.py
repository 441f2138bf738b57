"""The database before anybody uses it: embedded or external, running, and at this release's revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import PostgresDsn
from sqlalchemy.engine import URL

from app.core.boot import Misconfigured
from app.core.settings import Settings
from app.db import migrate, roles
from app.db.admin import as_asyncpg
from app.db.embedded import EmbeddedPostgres
from app.db.errors import DatabaseMissing

DATABASE = "jackfield"

_PARAMETERS = {"host", "port", "ssl", "target_session_attrs", "prepared_statement_cache_size"}
"""What asyncpg and SQLAlchemy's dialect of it take from a URL's query, `sslmode` being `ssl` there."""


class DatabaseUrlNotUnderstood(Misconfigured):
    """A database URL says more than we can honour, and who wrote it may rely on it."""


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database, as three roles."""

    app: URL
    worker: URL
    admin: URL


@contextmanager
def running_database(settings: Settings) -> Iterator[DatabaseUrls]:
    """The data folder's embedded server while the block runs; an external one is taken to be there."""
    if settings.is_embedded:
        with EmbeddedPostgres(settings.data) as server:
            yield database_urls(settings, server)
    else:
        yield database_urls(settings, None)


def database_urls(settings: Settings, server: EmbeddedPostgres | None) -> DatabaseUrls:
    """Those of the settings or, where they name none, of the embedded ``server``, which runs."""
    if settings.database_url is not None:
        return _external(settings.database_url, settings.worker_database_url, settings.admin_database_url)
    if server is None:
        raise ValueError("neither an external database nor a server")
    return DatabaseUrls(
        app=server.url(roles.APP, DATABASE),
        worker=server.url(roles.WORKER, DATABASE),
        admin=server.url("postgres", DATABASE),
    )


async def bring_to_head(settings: Settings, urls: DatabaseUrls) -> None:
    """Make what this release needs: the database if it is the embedded one, roles, logins, tables."""
    try:
        await _provision(urls)
    except DatabaseMissing:
        if not settings.is_embedded:
            raise
        await roles.ensure_database(urls.admin.set(database="postgres"), DATABASE)
        await _provision(urls)
    await migrate.upgrade(urls.admin)


async def _provision(urls: DatabaseUrls) -> None:
    logins = [(urls.app, roles.APP), (urls.worker, roles.WORKER)]
    await roles.provision(
        urls.admin, logins=[(url, group) for url, group in logins if url.username != urls.admin.username]
    )


def _external(app: PostgresDsn, worker: PostgresDsn | None, admin: PostgresDsn | None) -> DatabaseUrls:
    return DatabaseUrls(app=_url(app), worker=_url(worker or app), admin=_url(admin or app))


def _url(given: PostgresDsn) -> URL:
    url = as_asyncpg(str(given))
    if unknown := url.query.keys() - _PARAMETERS:
        raise DatabaseUrlNotUnderstood(
            f"The database URL of {url.host} has parameters that are not understood here: "
            f"{', '.join(sorted(unknown))}."
        )
    return url
