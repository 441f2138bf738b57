"""One command's visit to the database: it works while `jackfield serve` runs on it, and while nobody does."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from app.auth.context import Actor
from app.core import settings as configuration
from app.core.settings import Settings
from app.server.database import DatabaseUrls, bring_to_head, running_database
from app.server.process import prepare_process
from app.services import Resources, open_resources

T = TypeVar("T")


def with_resources(data: Path | None, work: Callable[[Resources], Awaitable[T]]) -> T:
    """What ``work`` returns. The embedded server runs at least as long as that takes."""
    settings = configuration.load(data=data)
    prepare_process(settings)
    with running_database(settings) as urls:
        return asyncio.run(_visit(settings, urls, work))


def operator() -> Actor:
    """Who gives the command, for the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        name = str(os.getuid())
    return Actor("operator", "cli", name)


async def _visit(settings: Settings, urls: DatabaseUrls, work: Callable[[Resources], Awaitable[T]]) -> T:
    if settings.is_embedded:
        await bring_to_head(settings, urls)
    async with open_resources(settings, urls.app) as resources:
        return await work(resources)
