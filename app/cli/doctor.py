"""``jackfield doctor``: what boot checks, one by one, so that more than the first fault is seen."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from typer import Exit, Typer

from app.cli.options import Data
from app.cli.output import show_table
from app.core import settings as configuration
from app.core.boot import BootFailure
from app.core.settings import Settings
from app.db import migrate, roles
from app.db.admin import administer
from app.db.session import Database
from app.sealing import master_keys, system_keys
from app.sealing.errors import MasterKeyMissing
from app.server.database import running_database
from app.server.process import prepare_process

commands = Typer(add_completion=False)

FINE = "ok"

Check = Callable[[Settings, AsyncConnection], Awaitable[str]]
"""Says what it found, or raises."""


class Finding(NamedTuple):
    check: str
    verdict: str
    detail: str

    @property
    def is_fine(self) -> bool:
        return self.verdict == FINE


@commands.command()
def doctor(data: Data = None) -> None:
    """Check database, role, revision and keys; change nothing. Exit 1 if one of them is not fit to serve."""
    settings = configuration.load(data=data)
    prepare_process(settings)
    with running_database(settings) as urls:
        findings = asyncio.run(_examine(settings, urls.app))
    show_table(Finding._fields, findings)
    if not all(finding.is_fine for finding in findings):
        raise Exit(1)


async def _examine(settings: Settings, url: URL) -> list[Finding]:
    """Each check on a connection of its own: one that fails spoils no other's transaction."""
    findings = [await _find("database", _check_server, settings, url)]
    if findings[0].is_fine:
        findings += [await _find(name, check, settings, url) for name, check in _CHECKS.items()]
    return findings


async def _find(name: str, check: Check, settings: Settings, url: URL) -> Finding:
    try:
        async with administer(url) as connection:
            return Finding(name, FINE, await check(settings, connection))
    except BootFailure as failure:
        return Finding(name, "failed", str(failure))
    except DBAPIError as error:
        return Finding(name, "failed", str(error.orig).splitlines()[0])


async def _check_server(_: Settings, connection: AsyncConnection) -> str:
    version = await connection.scalar(text("SHOW server_version"))
    return f"PostgreSQL {version}, {connection.engine.url.render_as_string(hide_password=True)}"


async def _check_role(_: Settings, connection: AsyncConnection) -> str:
    await roles.check_role(connection)
    return str(await connection.scalar(text("SELECT session_user")))


async def _check_revision(_: Settings, connection: AsyncConnection) -> str:
    await migrate.check_at_head(connection)
    return migrate.head_revision()


async def _check_keys(settings: Settings, connection: AsyncConnection) -> str:
    master = master_keys.load(settings)
    async with Database(connection).transaction(None) as session:
        if await system_keys.is_empty(session):
            return "nothing is sealed yet"
        if master is None:
            raise MasterKeyMissing(
                f"There is no master key: {master_keys.default_file(settings)} is missing."
            )
        await system_keys.open_or_create(session, master)
    return f"master key {master.active.id}"


_CHECKS: Mapping[str, Check] = {
    "role": _check_role,
    "revision": _check_revision,
    "keys": _check_keys,
}
