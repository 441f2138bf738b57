"""kill -9 in the middle of traffic: what was answered with 2xx is executed, by whoever comes after."""

import os
import signal

import pytest

from tests.faults.installation import CONCURRENCY
from tests.faults.load import sending
from tests.faults.runs import KILLS, WEBHOOKS, close, held, in_flight
from tests.faults.waiting import until

pytestmark = pytest.mark.anyio


class TestApi:
    async def test_takes_nothing_along_that_it_acknowledged(self, installation, upstream):
        api, _ = await installation.start_apart()
        await installation.furnish(api, upstream.url)
        async with sending(installation, api, may_break=True) as load:
            for _ in range(KILLS):
                load.add(WEBHOOKS)
                await load.acknowledged(WEBHOOKS // 3)
                await api.kill()
                await api.start()
            load.add(WEBHOOKS // 3)
            balance = await close("kill -9 of the API", load, installation, api, upstream)
        assert not balance.twice


class TestWorker:
    async def test_leaves_what_it_was_doing_to_the_next(self, installation, upstream, committed_urls):
        api, worker = await installation.start_apart()
        await installation.furnish(api, upstream.url)
        async with sending(installation, api) as load:
            for _ in range(KILLS):
                load.add(WEBHOOKS)
                await load.acknowledged(WEBHOOKS // 3)
                with held(upstream) as received:
                    load.add(CONCURRENCY)
                    await until(lambda: received() == CONCURRENCY)
                    await worker.kill()
                    load.ledger.interrupt(await in_flight(committed_urls))
                await worker.start()
            balance = await close("kill -9 of the worker", load, installation, api, upstream)
        assert balance.twice.total() >= KILLS
        assert balance.twice <= load.ledger.in_flight


class TestChild:
    async def test_is_replaced_while_its_sibling_goes_on(self, installation, upstream, committed_urls):
        api = await installation.start("serve", "--workers", "2", JACKFIELD_LOG_LEVEL="info")
        alive = api.children
        await installation.furnish(api, upstream.url)
        async with sending(installation, api, may_break=True) as load:
            for kill in range(KILLS):
                load.add(WEBHOOKS)
                await load.acknowledged(WEBHOOKS // 3)
                with held(upstream) as received:
                    load.add(2 * CONCURRENCY)
                    await until(lambda: received() == 2 * CONCURRENCY)
                    os.kill(alive.pop(0), signal.SIGKILL)
                    await until(lambda count=kill + 1: api.log.count("process.died") == count)
                    load.ledger.interrupt(await in_flight(committed_urls))
                load.add(WEBHOOKS)
                await load.acknowledged(WEBHOOKS // 3)
                alive += await until(lambda count=kill + 3: api.children[count - 1 : count])
            balance = await close("kill -9 of a child", load, installation, api, upstream)
        assert balance.twice <= load.ledger.in_flight
        assert await api.stop() == 0


class TestAllInOne:
    async def test_finds_its_own_database_again(self, embedded_installation, upstream):
        everything = await embedded_installation.start("serve")
        await embedded_installation.furnish(everything, upstream.url)
        async with sending(embedded_installation, everything, may_break=True) as load:
            for _ in range(KILLS):
                load.add(WEBHOOKS)
                await load.acknowledged(WEBHOOKS // 3)
                with held(upstream) as received:
                    load.add(CONCURRENCY)
                    await until(received)
                    await everything.kill()
                await everything.start()
            balance = await close("kill -9 of all in one", load, embedded_installation, everything, upstream)
        assert KILLS <= balance.twice.total() <= CONCURRENCY * KILLS
        assert await everything.stop() == 0
