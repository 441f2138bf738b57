"""SIGTERM in the middle of traffic: what was begun is ended, and nothing is left to be done a second time."""

import signal

import pytest

from tests.faults.installation import CONCURRENCY, GRACE_S
from tests.faults.load import sending
from tests.faults.runs import KILLS, WEBHOOKS, close, held
from tests.faults.waiting import until, until_not

pytestmark = pytest.mark.anyio


class TestSigterm:
    @pytest.mark.parametrize("workers", ["1", "2"])
    async def test_ends_what_was_begun_within_its_grace(self, installation, upstream, workers):
        service = await installation.start("serve", "--workers", workers)
        await installation.furnish(service, upstream.url)
        async with sending(installation, service, may_break=True) as load:
            for _ in range(KILLS):
                load.add(WEBHOOKS)
                await load.acknowledged(WEBHOOKS // 3)
                with held(upstream) as received:
                    load.add(2 * CONCURRENCY)
                    await until(received)
                    service.signal(signal.SIGTERM)
                    await until_not(lambda: installation.is_listening(service))
                assert await service.wait(GRACE_S) == 0
                await service.start()
            balance = await close(f"SIGTERM, {workers} workers", load, installation, service, upstream)
        assert not balance.twice
