import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.db.embedded import EmbeddedPostgres
from tests.faults.installation import Installation
from tests.fixtures.command import as_setting
from tests.fixtures.database import DatabaseUrls


@asynccontextmanager
async def installed(folder: Path, **settings: str) -> AsyncIterator[Installation]:
    installation = Installation(folder, settings)
    try:
        yield installation
    finally:
        await installation.end()


def database_settings(urls: DatabaseUrls) -> dict[str, str]:
    return {
        "JACKFIELD_DATABASE_URL": as_setting(urls.app),
        "JACKFIELD_WORKER_DATABASE_URL": as_setting(urls.worker),
    }


@pytest.fixture
async def embedded_installation(tmp_path) -> AsyncIterator[Installation]:
    """On the database that it brings along."""
    try:
        async with installed(tmp_path) as installation:
            yield installation
    finally:
        if (tmp_path / "data" / "postgres").exists():
            # Who was killed could not stop it; the last one to leave does.
            await asyncio.to_thread(_join_and_leave, EmbeddedPostgres(tmp_path / "data"))


@pytest.fixture
async def installation(committed_urls, tmp_path) -> AsyncIterator[Installation]:
    """On a database of the test's own, whose server no fault of the test touches."""
    async with installed(tmp_path, **database_settings(committed_urls)) as installation:
        yield installation


def _join_and_leave(postgres: EmbeddedPostgres) -> None:
    with postgres:
        pass
