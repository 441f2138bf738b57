"""PostgreSQL that goes away, and connections to it that break where it hurts most."""

import asyncio
import os
import signal

import pytest

from app.db import migrate
from app.db.embedded import EmbeddedPostgres
from tests.faults.conftest import database_settings, installed
from tests.faults.installation import CONCURRENCY
from tests.faults.load import sending
from tests.faults.proxy import Cut, faulty
from tests.faults.runs import KILLS, WEBHOOKS, close, stored
from tests.faults.waiting import until, until_not
from tests.fixtures.database import Server

pytestmark = pytest.mark.anyio

HARD_STOPS = [signal.SIGQUIT, signal.SIGKILL]
"""What `pg_ctl stop -m immediate` sends, and what leaves the server no time to say a word."""


@pytest.fixture
def postgres(tmp_path):
    """A server of the test's own, to be stopped hard."""
    with EmbeddedPostgres(tmp_path / "server") as postgres:
        yield postgres


async def restart(postgres):
    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(postgres.start)


class TestStop:
    async def test_is_a_503_until_the_server_is_back(self, tmp_path, postgres, upstream):
        urls = await Server(postgres.url).create("jackfield")
        await migrate.upgrade(urls.admin)
        async with installed(tmp_path, **database_settings(urls)) as installation:
            api, worker = await installation.start_apart()
            await installation.furnish(api, upstream.url)
            async with sending(installation, api) as load:
                for number in HARD_STOPS * KILLS:
                    load.add(WEBHOOKS)
                    await load.acknowledged(WEBHOOKS // 3)
                    os.kill(postgres.pid, number)
                    await load.refused()
                    await until_not(lambda: installation.is_ready(api))
                    await restart(postgres)
                    await until(lambda: installation.is_ready(api))
                load.add(WEBHOOKS // 3)
                balance = await close("PostgreSQL stopped hard", load, installation, api, upstream)
            assert balance.twice.total() <= CONCURRENCY * len(HARD_STOPS) * KILLS
            assert (await worker.stop(), await api.stop()) == (0, 0)


class TestConnection:
    async def test_that_breaks_around_the_commit_makes_one_execution(
        self, tmp_path, server, committed_urls, upstream
    ):
        async with (
            faulty(server.url("postgres", "postgres")) as proxy,
            installed(tmp_path, **database_settings(proxy.urls(committed_urls))) as installation,
        ):
            api, _ = await installation.start_apart(**database_settings(committed_urls))
            await installation.furnish(api, upstream.url)
            async with sending(installation, api) as load:
                await load.deliver("first")
                for cuts, at in enumerate(Cut, start=1):
                    delivery, rows = f"cut-{at.name}", await stored(committed_urls)
                    proxy.cut(delivery.encode(), at)
                    attempt = asyncio.create_task(load.attempt(delivery))
                    await until(lambda count=cuts: proxy.cuts == count)
                    if at is Cut.SILENCE:
                        attempt.cancel()  # a sender that has waited long enough
                    (again,) = await asyncio.gather(attempt, return_exceptions=True)
                    # An engine may try again by itself; then the row of what never arrived is there, too.
                    assert await stored(committed_urls) - rows == (again is None or at is not Cut.REQUEST)
                    await load.deliver(delivery)
                    await load.deliver(f"after-{at.name}")
                balance = await close("cut around the commit", load, installation, api, upstream)
            assert balance.acknowledged == 1 + 2 * len(Cut)
            assert not balance.twice

    async def test_may_break_at_any_time(self, tmp_path, server, committed_urls, upstream):
        async with (
            faulty(server.url("postgres", "postgres")) as proxy,
            installed(tmp_path, **database_settings(proxy.urls(committed_urls))) as installation,
        ):
            api, _ = await installation.start_apart(**database_settings(committed_urls))
            await installation.furnish(api, upstream.url)
            async with sending(installation, api) as load:
                for _ in range(5 * KILLS):
                    load.add(WEBHOOKS // 3)
                    await load.acknowledged(WEBHOOKS // 5)
                    assert proxy.reset()
                balance = await close("all connections reset", load, installation, api, upstream)
        assert not balance.twice
