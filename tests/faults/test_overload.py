"""More deliveries than there is room for while the database is slow or stands still."""

import pytest

from tests.faults.conftest import database_settings, installed
from tests.faults.load import sending
from tests.faults.proxy import faulty
from tests.faults.runs import close

pytestmark = pytest.mark.anyio

BURST = 96
SURPLUS = 8
"""What the queue, the batch under way and the pool together have no room for, at the least."""
SMALL = {"JACKFIELD_INGEST_QUEUE": "16", "JACKFIELD_POOL_TIMEOUT": "2"}


@pytest.fixture
async def proxy(server):
    async with faulty(server.url("postgres", "postgres")) as proxy:
        yield proxy


@pytest.fixture
async def installation(tmp_path, proxy, committed_urls):
    settings = database_settings(proxy.urls(committed_urls))
    async with installed(tmp_path, **settings, **SMALL) as installation:
        yield installation


class TestQueue:
    async def test_refuses_the_surplus_and_keeps_what_it_took(
        self, installation, proxy, committed_urls, upstream
    ):
        api, _ = await installation.start_apart(**database_settings(committed_urls))
        await installation.furnish(api, upstream.url)
        async with sending(installation, api, senders=BURST) as load:
            await load.deliver("first")
            proxy.latency_s = 0.2
            load.add(BURST)
            await load.refused(SURPLUS)
            proxy.latency_s = 0.0
            await load.finish()
            proxy.stall()
            load.add(BURST)
            await load.refused(SURPLUS)
            # Whoever answers 2xx while nothing reaches the disk is lying.
            assert len(load.ledger.acknowledged) == 1 + BURST
            proxy.resume()
            balance = await close("full queue", load, installation, api, upstream)
        assert balance.acknowledged == 1 + 2 * BURST
        assert not balance.twice
