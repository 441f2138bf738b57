"""The loop over work in memory. A worker here polls once an hour: what it does sooner, it was woken for."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from app.core import clock
from app.core.ids import TenantId, first_id, new_id
from app.engine import worker as module
from app.engine.circuit import FAILURES_TO_OPEN
from app.engine.claim import FIRST_LANE
from app.engine.slots import SHARE, Limits
from app.engine.worker import MAX_BATCH, RECENT, Worker
from tests.engine.memory import STEPS, MemorySource, until

pytestmark = pytest.mark.anyio

HOUR_S = 3600.0


@pytest.fixture
def source():
    return MemorySource()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No pause before a second try."""
    monkeypatch.setattr(module, "RETRY_FINISH_S", 0)


@asynccontextmanager
async def working(source, total=16, per_tenant=None, per_lane=None, poll_s=HOUR_S, lease_s=HOUR_S):
    limits = Limits(total=total, per_tenant=per_tenant or total, per_lane=per_lane or total)
    worker = Worker(source, limits, poll_s=poll_s, lease_s=lease_s)
    stop = asyncio.Event()
    worker.stop = stop
    task = asyncio.create_task(worker.run(stop))
    yield worker
    stop.set()
    async with asyncio.timeout(10):
        await task


def away():
    return OperationalError("SELECT", None, ConnectionError())


async def rests(source, worker):
    """Until it has looked and waits for news."""
    await until(lambda: source.asked and not worker._bell.is_set())
    for _ in range(20):
        await asyncio.sleep(0)


class TestClaiming:
    async def test_does_all_that_waits_without_polling_again(self, source):
        source.add(500, lane=1)
        source.add(3, lane=2)
        async with working(source):
            await until(lambda: len(source.finished) == 503)
        assert len({*source.performed}) == 503

    async def test_claims_a_lane_again_that_has_had_its_share_only(self, source):
        source.add(20)
        async with working(source, total=16, per_lane=16):
            await until(lambda: len(source.finished) == 20)

    async def test_claims_a_lane_again_when_it_gives_back_while_the_walk_goes_on(self, source):
        source.add(6)
        hold, lane_after = asyncio.Event(), source.lane_after

        async def slow(wanted):
            await hold.wait()
            return await lane_after(wanted)

        source.lane_after = slow
        async with working(source, total=16, per_lane=2) as worker:
            await until(lambda: len(source.finished) == 2 and worker.slots.held == 0)
            hold.set()
            await until(lambda: len(source.finished) == 6)

    async def test_holds_no_more_of_a_lane_than_it_may(self, source):
        source.gates[1] = asyncio.Event()
        source.add(50)
        async with working(source, per_lane=3) as worker:
            await until(lambda: len(source.held) == 3)
            for _ in range(5):
                worker.ring()
                await rests(source, worker)
            assert worker.slots.held == 3
            source.gates[1].set()
            await until(lambda: len(source.finished) == 50)
        assert source.most_held[1] == 3

    async def test_gives_a_lane_that_is_alone_all_it_may_have(self, source):
        source.add(100)
        async with working(source, total=16, per_lane=16):
            await until(lambda: len(source.finished) == 100)
        assert max(wanted.per_lane for wanted in source.asked) == 15

    async def test_gives_a_lane_its_share_while_another_gives_work(self, source):
        source.add(100, lane=1)
        source.add(100, lane=2)
        async with working(source, total=16, per_lane=16):
            await until(lambda: len(source.finished) == 200)
        assert max(wanted.per_lane for wanted in source.asked[:20]) == 16 // SHARE

    async def test_holds_no_more_than_it_may_though_nothing_is_stored(self, source):
        """What is not stored would be done twice if the worker died."""
        source.add(100)
        hold, finish = asyncio.Event(), source.finish

        async def never(done):
            await hold.wait()
            await finish(done)

        source.finish = never
        async with working(source, total=16, per_lane=4) as worker:
            await until(lambda: worker.ring() or len(source.performed) == 16)
            for _ in range(20):
                worker.ring()
                await asyncio.sleep(0)
            assert len(source.performed) == worker.slots.held == 16
            hold.set()
            await until(lambda: len(source.finished) == 100)

    async def test_asks_for_nothing_while_it_is_full(self, source):
        source.gates[1] = asyncio.Event()
        source.add(50)
        async with working(source, total=1) as worker:
            await until(lambda: len(source.held) == 1)
            asked = len(source.asked)
            for _ in range(5):
                worker.ring()
                await asyncio.sleep(0)
            assert len(source.asked) == asked
            source.gates[1].set()

    async def test_asks_for_a_batch_at_most(self, source):
        async with working(source, total=10_000) as worker:
            await rests(source, worker)
        assert {wanted.most for wanted in source.asked} == {MAX_BATCH}

    async def test_names_the_tenants_that_are_full(self, source):
        acme = TenantId(new_id())
        source.gates[1] = asyncio.Event()
        source.add(1, tenant_id=acme)
        async with working(source, per_tenant=1) as worker:
            await until(lambda: len(source.held) == 1)
            source.add(1, lane=2, tenant_id=acme)
            worker.ring()
            await until(lambda: source.asked[-1].free_of_tenants.get(acme) == 0)
            assert len(source.held) == 1
            source.gates[1].set()
            await until(lambda: len(source.finished) == 2)

    async def test_is_not_held_up_by_a_lane_that_hangs(self, source):
        source.gates[1] = asyncio.Event()
        source.add(1000, lane=1)
        async with working(source, total=8, per_lane=4) as worker:
            await until(lambda: source.held)
            for lane in range(2, 12):
                source.add(3, lane=lane)
            worker.ring()
            await until(lambda: len(source.finished) == 30)
            source.waiting.clear()
            source.gates[1].set()


class TestRing:
    async def test_wakes_at_once(self, source):
        async with working(source) as worker:
            await rests(source, worker)
            source.add(1)
            worker.ring()
            await until(lambda: len(source.finished) == 1)

    async def test_is_heard_in_the_middle_of_a_claim(self, source):
        def arrives_too_late():
            source.on_claim = lambda: None
            asyncio.get_running_loop().call_soon(source.add, 1, -5)
            asyncio.get_running_loop().call_soon(worker.ring)

        async with working(source) as worker:
            source.on_claim = arrives_too_late
            await until(lambda: len(source.finished) == 1)

    async def test_is_heard_in_the_middle_of_a_round(self, source):
        for lane in range(1, STEPS * 2):
            source.gates[lane] = asyncio.Event()
            source.add(2, lane=lane)
        async with working(source, total=64, per_lane=1) as worker:
            await rests(source, worker)
            source.on_claim = lambda: source.asked[-1].start > 1 and first_lane_gets_news()

            def first_lane_gets_news():
                source.on_claim = lambda: None
                source.add(1, lane=FIRST_LANE)
                worker.ring()

            worker.ring()
            await until(lambda: source.finished)
            for gate in source.gates.values():
                gate.set()


class TestRounds:
    async def test_reach_every_lane(self, source):
        for lane in range(STEPS * 5 + 1):
            source.add(2, lane=lane)
        async with working(source, total=64, per_lane=1):
            await until(lambda: len(source.finished) == 2 * (STEPS * 5 + 1))

    async def test_reach_every_lane_though_a_batch_is_full_before(self, source):
        for lane in range(40):
            source.add(5, lane=lane)
        async with working(source, total=2, per_lane=1):
            await until(lambda: {claim.lane for claim in source.performed} == {*range(40)})
            source.waiting.clear()

    async def test_rest_when_many_lanes_wait_and_none_is_due(self, source):
        async def nothing_due(wanted):
            source.asked.append(wanted)
            return []

        source.claim = nothing_due
        for lane in range(STEPS * 4):
            source.add(1, lane=lane)
        async with working(source) as worker:
            await until(lambda: len(source.asked) == 4)
            for _ in range(200):
                await asyncio.sleep(0)
            assert len(source.asked) == 4
            worker.ring()
            await until(lambda: len(source.asked) == 8)

    async def test_look_for_old_work_until_there_is_none(self, source):
        old = first_id(clock.now() - RECENT - timedelta(days=1))
        for number in range(30):
            source.add(1, since=type(old)(int=old.int + number))
        async with working(source, total=4, per_lane=1) as worker:
            await until(lambda: len(source.finished) == 30)
            while source.asked[-1].since < old:
                worker.ring()
                await asyncio.sleep(0)


class TestCircuits:
    async def test_leave_a_lane_alone_that_does_not_answer(self, source):
        source.answers[1] = (False, None)
        source.add(FAILURES_TO_OPEN + 20, lane=1)
        source.add(30, lane=2)
        async with working(source, total=4, per_lane=1) as worker:
            await until(lambda: len(source.finished) == FAILURES_TO_OPEN + 30)
            for _ in range(3):
                worker.ring()
                await rests(source, worker)
            assert len(source.waiting[1]) == 20
            assert source.asked[-1].free[1] == 0

    async def test_leave_a_lane_alone_that_asks_for_it(self, source):
        source.answers[1] = (True, 30.0)
        source.add(5, lane=1)
        async with working(source, total=1) as worker:
            await until(lambda: len(source.finished) == 1)
            worker.ring()
            await until(lambda: source.asked[-1].free.get(1) == 0)
            assert len(source.waiting[1]) == 4


class TestTrouble:
    async def test_of_a_batch_that_cannot_be_read_gives_its_slots_back(self, source):
        source.errors["read"] = [RuntimeError()]
        source.add(4)
        async with working(source, total=4, per_lane=4) as worker:
            await until(lambda: len(source.asked) > 1 and worker.slots.held == 0)
            source.add(4)
            worker.ring()
            await until(lambda: len(source.finished) >= 4)

    async def test_of_a_job_gives_its_slot_back_and_stores_nothing(self, source):
        source.errors["perform"] = [KeyError("a defect")]
        broken, sound = source.add(2)
        async with working(source) as worker:
            await until(lambda: source.finished == [sound])
            assert worker.slots.held == 0
        assert broken in source.held

    async def test_of_a_job_whose_claim_was_lost_before_it_began(self, source):
        lost, sound = source.add(2)
        read = source.read

        async def without(claims):
            return [(claim, job) for claim, job in await read(claims) if claim != lost]

        source.read = without
        async with working(source) as worker:
            await until(lambda: source.finished == [sound])
            assert worker.slots.held == 0

    @pytest.mark.parametrize("error", [away(), ConnectionError(), KeyError("a defect")], ids=repr)
    async def test_of_storing_is_tried_again_one_by_one(self, source, error):
        source.gates[1] = asyncio.Event()
        source.add(3)
        async with working(source, total=3, per_lane=3, lease_s=HOUR_S) as worker:
            for number in (1, 2, 3):
                worker.ring()
                await until(lambda number=number: len(source.held) >= number)
            source.errors["finish"] = [error]
            source.gates[1].set()
            await until(lambda: worker.slots.held == 0)
        assert sorted(source.finished, key=str) == sorted(source.performed, key=str)
        assert len(source.finished) == 3

    async def test_of_storing_one_spares_the_others_and_what_comes_after(self, source):
        source.gates[1] = asyncio.Event()
        source.add(4)
        async with working(source, total=16, per_lane=4) as worker:
            await until(lambda: len(source.held) == 4)
            source.errors["finish"] = [away(), away()]
            source.gates[1].set()
            await until(lambda: worker.slots.held == 0)
            stored = len(source.finished)
            assert stored == 3
            source.add(5)
            worker.ring()
            await until(lambda: len(source.finished) == stored + 5)

    async def test_of_the_database_is_outlived(self, source):
        source.errors["claim"] = [away(), OSError(), away()]
        source.errors["lane_after"] = [away()]
        source.add(3)
        async with working(source, poll_s=0.001):
            await until(lambda: len(source.finished) == 3)

    async def test_of_the_database_makes_it_ask_less_often(self, source, monkeypatch):
        pauses = []

        async def heard(event, seconds):
            pauses.append(seconds)
            await asyncio.sleep(0)

        monkeypatch.setattr(module, "_heard", heard)
        source.errors["claim"] = [away() for _ in range(6)]
        async with working(source, poll_s=0.2):
            await until(lambda: len(pauses) > 6)
        assert pauses[:7] == [0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.2]

    async def test_of_the_database_is_not_made_worse_by_news(self, source):
        source.errors["claim"] = [away() for _ in range(100)]
        async with working(source) as worker:
            await until(lambda: source.asked)
            for _ in range(50):
                worker.ring()
                await asyncio.sleep(0)
            assert len(source.asked) == 1


class TestLeases:
    async def test_are_renewed_for_all_that_is_held(self, source):
        source.gates[1] = source.gates[2] = asyncio.Event()
        source.add(2, lane=1)
        source.add(2, lane=2)
        async with working(source, lease_s=0.003) as worker:
            await until(lambda: source.renewed and len(source.renewed[-1]) == 4)
            source.errors["renew"] = [away()]
            seen = len(source.renewed)
            await until(lambda: len(source.renewed) > seen + 1)
            assert source.renewed[-1] == source.held
            source.gates[1].set()
            await until(lambda: worker.slots.held == 0)

    async def test_are_renewed_while_the_worker_stops(self, source):
        source.gates[1] = asyncio.Event()
        source.add(1)
        async with working(source, lease_s=0.003) as worker:
            await until(lambda: source.held)
            worker.stop.set()
            seen = len(source.renewed)
            await until(lambda: len(source.renewed) > seen + 2)
            source.gates[1].set()

    async def test_that_were_lost_may_come_back_to_the_same_worker(self, source):
        """Its lease ended, for the database was away, and nobody else was there to take it over."""
        source.gates[1] = asyncio.Event()
        (first,) = source.add(1)
        async with working(source, lease_s=0.003) as worker:
            await until(lambda: source.held)
            second = replace(first, fence=2)
            source.waiting[1].append(second)
            worker.ring()
            await until(lambda: len(source.held) == 2)
            await until(lambda: source.renewed[-1:] == [{first, second}])
            source.gates[1].set()
            await until(lambda: worker.slots.held == 0)
            source.add(5)
            worker.ring()
            await until(lambda: len(source.finished) == 7)


class TestStop:
    async def test_waits_for_what_runs_and_claims_no_more(self, source):
        source.gates[1] = asyncio.Event()
        source.add(10)
        async with working(source, total=4, per_lane=1) as worker:
            await until(lambda: len(source.held) == 1)
            worker.stop.set()
            for _ in range(20):
                await asyncio.sleep(0)
            asked = len(source.asked)
            source.gates[1].set()
        assert len(source.finished) == 1
        assert len(source.asked) == asked

    async def test_stores_what_ended_last(self, source):
        source.gates[1] = asyncio.Event()
        source.add(4)
        async with working(source, total=16, per_lane=4) as worker:
            await until(lambda: len(source.held) == 4)
            worker.stop.set()
            source.gates[1].set()
        assert (len(source.finished), worker.slots.held) == (4, 0)

    async def test_needs_no_poll(self, source):
        async with working(source) as worker:
            await rests(source, worker)

    async def test_is_heard_while_every_slot_is_taken(self, source):
        source.gates[1] = asyncio.Event()
        source.add(3)
        async with working(source, total=1) as worker:
            await until(lambda: len(source.held) == 1)
            worker.stop.set()
            source.gates[1].set()
        assert len(source.finished) == 1

    async def test_is_heard_while_the_database_is_away(self, source):
        source.errors["claim"] = [away()]
        async with working(source):
            await until(lambda: source.asked)


class TestBatches:
    async def test_of_an_ending_wait_for_no_other_when_nothing_else_runs(self, source, monkeypatch):
        monkeypatch.setattr(module, "GATHER_S", HOUR_S)
        source.add(1)
        async with working(source):
            await until(lambda: len(source.finished) == 1)

    async def test_of_endings_are_as_large_as_the_load_makes_them(self, source):
        source.gates[1] = asyncio.Event()
        source.add(300)
        async with working(source, total=1200, per_lane=300) as worker:
            while len(source.held) < 300:
                worker.ring()
                await asyncio.sleep(0)
            source.gates[1].set()
            await until(lambda: worker.slots.held == 0)
        assert len(source.batches) < 10
        assert max(source.batches) <= MAX_BATCH
