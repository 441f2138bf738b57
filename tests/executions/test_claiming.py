"""The worker's question across tenants, in SQL: fair between lanes, and each answer one worker's alone."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import create_async_engine

from app.core import clock
from app.core.ids import first_id
from app.db.session import Database, driver_of
from app.engine.claim import FIRST_LANE, LAST_LANE, Wanted
from app.engine.worker import RECENT
from app.executions import claims
from app.executions.admission import Received, queue, recipient_of
from app.executions.repository import admit_all
from app.models import Execution, Trigger
from tests.executions.test_executor import make_handler
from tests.fixtures.app import Member, join, open_test_resources
from tests.fixtures.database import make_days

pytestmark = pytest.mark.anyio

OLDEST = UUID(int=0)


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def acme(resources):
    return Member(*await join(resources, "acme"), None)


@pytest.fixture
async def globex(resources):
    return Member(*await join(resources, "globex"), None)


@pytest.fixture
async def as_worker(committed_urls):
    database = Database(create_async_engine(committed_urls.worker))
    yield database
    await database.dispose()


async def waiting(resources, member, upstream, lanes):
    """Executions that are due: so many (the values) of each lane (the keys)."""
    recipient = recipient_of(await make_handler(resources, member, upstream), upstream.url)
    news = []
    for lane, number in lanes.items():
        for _ in range(number):
            new = queue(recipient, Trigger.WEBHOOK, Received(method="POST"))
            new.recipient = replace(recipient, lane=lane)
            news.append(new)
    async with resources.database.statements() as connection:
        await admit_all(connection, news)
    return news


def wanted(**fields):
    given = {"most": 100, "start": FIRST_LANE, "since": OLDEST, "per_lane": 100, "per_tenant": 1000}
    return Wanted(**given | fields)


async def claim(database, given):
    async with database.transaction(None) as session:
        return await claims.claim(await driver_of(session), given)


async def lane_after(database, given):
    async with database.transaction(None) as session:
        return await claims.lane_after(await driver_of(session), given)


def by_lane(claimed):
    return Counter(one.lane for one in claimed)


class TestLanes:
    async def test_that_hang_keep_no_other_waiting(self, as_worker, resources, acme, globex, upstream):
        await waiting(resources, acme, upstream, {1: 1000})
        await waiting(resources, globex, upstream, {2: 3, 3: 3, -7: 1})
        found = await claim(as_worker, wanted(free={1: 0}))
        assert by_lane(found) == {2: 3, 3: 3, -7: 1}

    async def test_get_as_many_as_they_may(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, {1: 9, 2: 9, 3: 9, 4: 2})
        found = await claim(as_worker, wanted(per_lane=4, free={1: 1, 2: 6}))
        assert by_lane(found) == {1: 1, 2: 6, 3: 4, 4: 2}

    async def test_get_no_more_than_is_wanted_in_all(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, {1: 5, 2: 5})
        assert len(await claim(as_worker, wanted(most=7))) == 7
        assert len(await claim(as_worker, wanted(most=7))) == 3

    async def test_are_claimed_from_the_one_wanted(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, {FIRST_LANE: 1, 2: 1, 3: 1, LAST_LANE: 1})
        assert by_lane(await claim(as_worker, wanted(start=3))) == {3: 1, LAST_LANE: 1}
        assert by_lane(await claim(as_worker, wanted())) == {FIRST_LANE: 1, 2: 1}

    async def test_are_reached_however_many_there_are(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, dict.fromkeys(range(claims.WALK * 2 + 50), 1))
        found, steps, start = Counter(), 0, FIRST_LANE
        while start is not None:
            found += by_lane(await claim(as_worker, wanted(most=1000, start=start)))
            start = await lane_after(as_worker, wanted(start=start))
            steps += 1
        assert found == dict.fromkeys(range(claims.WALK * 2 + 50), 1)
        assert steps == 3

    async def test_are_walked_through_though_none_is_due(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, dict.fromkeys(range(claims.WALK * 2 + 50), 1))
        async with resources.database.transaction(acme.tenant_id) as session:
            later = text("now() + interval '1 hour'")
            await session.execute(update(Execution).where(Execution.lane != 430).values(due_at=later))
        found, start = [], FIRST_LANE
        while start is not None:
            found += await claim(as_worker, wanted(start=start))
            start = await lane_after(as_worker, wanted(start=start))
        assert [one.lane for one in found] == [430]

    async def test_of_a_walk_that_stopped_are_named(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, dict.fromkeys(range(claims.WALK + 1), 1))
        assert await lane_after(as_worker, wanted()) == claims.WALK
        assert await lane_after(as_worker, wanted(start=1)) is None


class TestTenants:
    async def test_that_are_full_get_nothing(self, as_worker, resources, acme, globex, upstream):
        await waiting(resources, acme, upstream, {1: 3})
        await waiting(resources, globex, upstream, {2: 3})
        found = await claim(as_worker, wanted(free_of_tenants={acme.tenant_id: 0}))
        assert {one.tenant_id for one in found} == {globex.tenant_id}

    async def test_get_no_more_than_is_theirs_from_all_lanes_together(
        self, as_worker, resources, acme, globex, upstream
    ):
        await waiting(resources, acme, upstream, {1: 5, 2: 5, 3: 5})
        await waiting(resources, globex, upstream, {4: 5, 5: 5})
        found = await claim(as_worker, wanted(per_tenant=7, free_of_tenants={acme.tenant_id: 4}))
        assert Counter(one.tenant_id for one in found) == {acme.tenant_id: 4, globex.tenant_id: 7}
        again = await claim(as_worker, wanted())
        assert len(again) == 25 - 4 - 7


class TestAge:
    async def test_is_looked_at_as_far_as_wanted(self, as_worker, resources, acme, upstream, committed_urls):
        await make_days(committed_urls, 7)
        old, new = await waiting(resources, acme, upstream, {1: 1, 2: 1})
        old_id = first_id(clock.now() - RECENT - timedelta(days=1))
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(Execution).where(Execution.id == old.id).values(id=old_id))
        recent = first_id(clock.now() - RECENT)

        assert [one.id for one in await claim(as_worker, wanted(since=recent))] == [new.id]
        assert [one.id for one in await claim(as_worker, wanted())] == [old_id]


class TestWorkers:
    async def test_never_get_the_same(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, dict.fromkeys(range(20), 10))
        found = await asyncio.gather(*(claim(as_worker, wanted(most=50)) for _ in range(5)))
        ids = [one.id for batch in found for one in batch]
        rest = await claim(as_worker, wanted(most=200))
        ids += [one.id for one in rest]
        assert len(ids) == len({*ids}) == 200

    async def test_do_not_wait_for_each_other(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, {1: 4})
        async with as_worker.transaction(None) as session:
            first = await claims.claim(await driver_of(session), wanted(most=2))
            async with asyncio.timeout(10):
                second = await claim(as_worker, wanted())
        assert len(first) == len(second) == 2

    async def test_get_what_fell_back_with_a_new_fence(self, as_worker, resources, acme, upstream):
        await waiting(resources, acme, upstream, {1: 1})
        fences = []
        for _ in range(3):
            (one,) = await claim(as_worker, wanted())
            fences.append(one.fence)
            async with resources.database.transaction(acme.tenant_id) as session:
                await session.execute(update(Execution).values(due_at=text("now() - interval '1 second'")))
        assert fences == [1, 2, 3]
