import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.ids import new_id
from app.core.settings import Settings
from app.server.database import bring_to_head, running_database
from app.server.process import Service, check
from tests.fixtures.database import DatabaseUrls


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Path:
    """A data folder that holds a database at this release's revision, and the master key made for it."""
    data = tmp_path_factory.mktemp("installation")
    settings = Settings(data=data, _env_file=None)

    async def prepare(urls):
        await bring_to_head(settings, urls)
        await check(Service(settings, urls, with_worker=True))

    with running_database(settings) as urls:
        asyncio.run(prepare(urls))
    return data


@pytest.fixture
def fresh_database(server) -> Iterator[DatabaseUrls]:
    """A database with roles and logins, and without a table."""
    urls = asyncio.run(server.create(f"jackfield_fresh_{new_id().hex}"))
    yield urls
    asyncio.run(server.drop(urls))
