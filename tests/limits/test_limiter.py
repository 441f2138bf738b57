"""Several processes over one database, on a clock that the test moves: each ``Limiter`` is a process."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import select, text

from app.core.errors import NotFound
from app.core.ids import TenantId, new_id
from app.core.settings import Settings
from app.db.admin import administer
from app.limits.errors import AddressNotAllowed, QuotaExceeded, RateLimited
from app.limits.limiter import SWEEP_S, Clock, Limiter
from app.models import Event, Handler, RateBucket, Tenant, UsageCounter

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEN_A_SECOND = {"requests": 10, "per": 1, "burst": 20}


class Time(Clock):
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def in_database(self) -> datetime:
        return self.now()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def tenant(database) -> Tenant:
    return await make_tenant(database)


@pytest.fixture
def process(database, clock):
    """Makes another process that serves."""

    def start(**settings) -> Limiter:
        return Limiter(database, Settings(_env_file=None, **settings), clock)

    return start


async def make_tenant(database, slug="acme", **fields) -> Tenant:
    tenant = Tenant(id=new_id(), slug=slug, name=slug, **fields)
    async with database.transaction(TenantId(tenant.id)) as session:
        session.add(tenant)
    return tenant


def handler(**fields) -> Handler:
    return Handler(id=new_id(), **fields)


async def is_admitted(limiter, limits) -> bool:
    try:
        await limiter.take(limits)
    except (RateLimited, QuotaExceeded):
        return False
    return True


async def admitted(limiter, limits, requests) -> int:
    return sum([await is_admitted(limiter, limits) for _ in range(requests)])


async def refusal(limiter, limits) -> RateLimited | QuotaExceeded:
    with pytest.raises((RateLimited, QuotaExceeded)) as refused:
        await limiter.take(limits)
    return refused.value


async def rows(database, tenant, model) -> list:
    async with database.transaction(TenantId(tenant.id)) as session:
        return [*await session.scalars(select(model))]


@pytest.fixture
def statements(database, monkeypatch) -> list[object]:
    """Tenants of the transactions that were opened since."""
    opened: list[object] = []
    transaction = database.transaction

    def counted(tenant_id):
        opened.append(tenant_id)
        return transaction(tenant_id)

    monkeypatch.setattr(database, "transaction", counted)
    return opened


class TestARate:
    async def test_lets_a_burst_through_and_then_its_pace(self, process, tenant, clock):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit=TEN_A_SECOND), tenant)

        assert await admitted(limiter, limits, 50) == 20
        clock.seconds += 1
        assert await admitted(limiter, limits, 50) == 10
        clock.seconds += 100
        assert await admitted(limiter, limits, 50) == 20

    @pytest.mark.parametrize("seed", range(6))
    async def test_holds_over_all_processes(self, process, tenant, clock, seed):
        """From a full bucket on, never more than the burst and what was filled in since."""
        random = Random(seed)  # noqa: S311 - the same ones every time
        rate = {"requests": random.randint(1, 60), "per": 7, "burst": random.randint(1, 40)}
        served = handler(rate_limit=rate)
        processes = [process() for _ in range(3)]
        policies = [limiter.policy_of(served, tenant) for limiter in processes]
        total = 0
        for _ in range(60):
            clock.seconds += random.choice([0, 0.01, 0.3, 1.1, 4])
            which = random.randrange(3)
            total += await admitted(processes[which], policies[which], random.randint(1, 12))
            if random.random() < 0.3:
                await random.choice(processes).settle()
            assert total <= rate["burst"] + clock.seconds * rate["requests"] / rate["per"] + 0.01

    async def test_is_used_up_by_processes_that_take_turns(self, process, tenant, clock):
        """What one has leased and not spent is at most a quarter of the burst."""
        served = handler(rate_limit={"requests": 100, "per": 1})
        processes = [process() for _ in range(2)]
        policies = [limiter.policy_of(served, tenant) for limiter in processes]
        total = 0
        for turn in range(200):
            clock.seconds += 0.01
            total += await admitted(processes[turn % 2], policies[turn % 2], 3)
        assert total >= 100 + 200 - 2 * 25

    async def test_of_the_tenant_holds_over_all_its_handlers(self, process, database, clock):
        tenant = await make_tenant(database, limits={"webhooksPerSecond": 2.0, "burst": 6})
        limiter = process()
        policies = [limiter.policy_of(handler(), tenant) for _ in range(3)]

        assert sum([await admitted(limiter, limits, 5) for limits in policies]) == 6
        clock.seconds += 1
        assert sum([await admitted(limiter, limits, 5) for limits in policies]) == 2

    async def test_of_the_handler_spends_nothing_of_the_tenants(self, process, database, clock):
        tenant = await make_tenant(database, limits={"webhooksPerSecond": 8.0, "burst": 8})
        limiter = process()
        narrow = limiter.policy_of(handler(rate_limit={"requests": 1, "per": 60}), tenant)
        wide = limiter.policy_of(handler(), tenant)

        assert await admitted(limiter, narrow, 20) == 1
        assert await admitted(limiter, wide, 20) == 7

    async def test_of_one_tenant_is_not_anothers(self, process, database, clock):
        limiter = process(tenant_rate_limit=2, tenant_burst=3)
        for slug in ("acme", "globex"):
            limits = limiter.policy_of(handler(), await make_tenant(database, slug))
            assert await admitted(limiter, limits, 10) == 3

    async def test_of_the_service_holds_where_the_tenant_has_none(self, process, database):
        given = {"tenant_rate_limit": 2, "tenant_burst": 3}
        own = await make_tenant(database, "own", limits={"webhooksPerSecond": 9.0})
        none = await make_tenant(database, "none", limits={"executionsPerDay": 100})

        assert await admitted(process(**given), process(**given).policy_of(handler(), none), 20) == 3
        assert await admitted(process(**given), process(**given).policy_of(handler(), own), 20) == 9

    async def test_that_was_raised_is_not_kept_waiting_by_the_former(self, process, tenant, clock):
        limiter = process()
        served = handler(rate_limit={"requests": 1, "per": 3600})
        assert await admitted(limiter, limiter.policy_of(served, tenant), 5) == 1

        served.rate_limit = {"requests": 10, "per": 1}
        limits = limiter.policy_of(served, tenant)
        assert not await is_admitted(limiter, limits)
        clock.seconds += 1.001
        assert await admitted(limiter, limits, 20) == 10

    async def test_that_was_lowered_leaves_no_debt(self, process, tenant, clock):
        limiter = process()
        served = handler(rate_limit={"requests": 1000, "per": 1000})
        assert await admitted(limiter, limiter.policy_of(served, tenant), 2000) == 1000

        served.rate_limit = {"requests": 1, "per": 1, "burst": 2}
        limits = limiter.policy_of(served, tenant)
        assert not await is_admitted(limiter, limits)
        clock.seconds += 2.001
        assert await admitted(limiter, limits, 5) == 2

    @pytest.mark.parametrize(
        "rate",
        [
            {"requests": 1, "per": 86_400, "burst": 1_000_000},
            {"requests": 1_000_000, "per": 1, "burst": 1},
            {"requests": 1_000_000, "per": 1, "burst": 1_000_000},
        ],
    )
    async def test_may_be_as_large_and_as_small_as_is_accepted(self, process, tenant, clock, rate):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit=rate), tenant)
        for _ in range(3):
            clock.seconds += 1.1
            assert await admitted(limiter, limits, 3) >= 1
            await limiter.settle()

    async def test_survives_a_clock_that_is_set_back(self, process, tenant, clock):
        served = handler(rate_limit=TEN_A_SECOND)
        first = process()
        assert await admitted(first, first.policy_of(served, tenant), 50) == 20
        clock.seconds -= 3600
        second = process()
        limits = second.policy_of(served, tenant)
        assert await admitted(second, limits, 50) == 0
        clock.seconds += 1.001
        assert await admitted(second, limits, 50) == 10


class TestARefusal:
    async def test_says_when_to_come_back(self, process, tenant, clock):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit={"requests": 2, "per": 60}), tenant)
        await admitted(limiter, limits, 2)
        clock.seconds += 10.5

        error = await refusal(limiter, limits)
        assert (error.status, error.code) == (429, "rate_limited")
        assert error.headers == {
            "Retry-After": "20",
            "RateLimit": '"handler";r=0;t=20',
            "RateLimit-Policy": '"handler";q=2;w=60',
        }
        clock.seconds += 19.5
        assert await is_admitted(limiter, limits)

    async def test_costs_no_statement_until_a_token_can_be_there(self, process, tenant, clock, statements):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit={"requests": 1, "per": 10}), tenant)
        await admitted(limiter, limits, 2)
        statements.clear()

        for _ in range(100):
            clock.seconds += 0.09
            assert not await is_admitted(limiter, limits)
            with pytest.raises(RateLimited):
                limiter.try_take(limits)
        assert statements == []
        clock.seconds += 1.1
        assert await is_admitted(limiter, limits)

    async def test_is_believed_a_tenth_of_a_second_at_a_high_rate(self, process, tenant, clock, statements):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit={"requests": 1000, "per": 1}), tenant)
        await admitted(limiter, limits, 1001)
        statements.clear()
        for _ in range(99):
            clock.seconds += 0.001
            await is_admitted(limiter, limits)
        assert statements == []


class TestALease:
    async def test_spares_the_database(self, process, tenant, clock, statements):
        """A thousand requests in a second, a few statements: twice as much each time, a quarter at most."""
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit={"requests": 10_000, "per": 1}), tenant)
        for _ in range(1000):
            clock.seconds += 0.001
            await limiter.take(limits)
        assert len(statements) <= 11

    async def test_ends_after_a_second(self, process, tenant, clock):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit={"requests": 100, "per": 1}), tenant)
        await admitted(limiter, limits, 4)
        assert limiter.try_take(limits)
        clock.seconds += 1
        assert not limiter.try_take(limits)

    async def test_is_handed_back(self, process, tenant, clock):
        served = handler(rate_limit={"requests": 1, "per": 3600, "burst": 40})
        first, second = process(), process()
        await admitted(first, first.policy_of(served, tenant), 8)  # of 15: 1, 2, 4 and 8
        assert await admitted(second, second.policy_of(served, tenant), 100) == 25

        clock.seconds += 1
        await first.settle()
        clock.seconds += 10
        assert await admitted(second, second.policy_of(served, tenant), 100) == 7

    async def test_is_handed_back_by_who_asks_again(self, process, tenant, clock):
        limiter = process()
        limits = limiter.policy_of(handler(rate_limit={"requests": 1, "per": 3600, "burst": 40}), tenant)
        assert await admitted(limiter, limits, 8) == 8
        clock.seconds += 2
        assert await admitted(limiter, limits, 100) == 32

    async def test_is_not_handed_back_once_it_is_filled_in(self, process, tenant, clock):
        """Otherwise a bucket that stood still would hold more than its burst."""
        served = handler(rate_limit={"requests": 1, "per": 1, "burst": 40})
        first, second = process(), process()
        await admitted(first, first.policy_of(served, tenant), 8)
        clock.seconds += 60
        assert await admitted(second, second.policy_of(served, tenant), 100) == 40
        await first.settle()
        clock.seconds += 1
        assert await admitted(second, second.policy_of(served, tenant), 100) == 1

    async def test_of_a_process_that_died_is_lost_and_filled_in_again(self, process, tenant, clock):
        served = handler(rate_limit={"requests": 60, "per": 60})
        first, second = process(), process()
        await admitted(first, first.policy_of(served, tenant), 8)
        del first
        limits = second.policy_of(served, tenant)
        assert await admitted(second, limits, 100) == 45
        clock.seconds += 60
        assert await admitted(second, limits, 100) == 60

    async def test_is_forgotten_with_its_full_bucket(self, process, tenant, clock, database):
        limiter = process()
        await limiter.take(limiter.policy_of(handler(rate_limit={"requests": 5, "per": 1}), tenant))
        assert len(await rows(database, tenant, RateBucket)) == 1
        clock.seconds += SWEEP_S
        await limiter.settle()
        assert limiter._meters == {}
        assert await rows(database, tenant, RateBucket) == []

    async def test_is_kept_as_long_as_a_route_is(self, process, tenant, clock, database):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        for _ in range(3):
            clock.seconds += SWEEP_S
            await limiter.settle()
        assert limiter.try_take(limits)
        await limiter.close()
        assert [row.used for row in await rows(database, tenant, UsageCounter)] == [1]


class TestAQuota:
    @pytest.fixture
    async def tenant(self, database) -> Tenant:
        return await make_tenant(database, limits={"executionsPerDay": 200})

    async def test_is_never_exceeded_and_used_up_to_what_others_have_reserved(self, process, tenant, clock):
        processes = [process() for _ in range(3)]
        policies = [limiter.policy_of(handler(), tenant) for limiter in processes]
        total = 0
        for turn in range(100):
            clock.seconds += 0.01
            total += await admitted(processes[turn % 3], policies[turn % 3], 4)
        assert 190 <= total <= 200
        clock.seconds += 61
        for limiter in processes:
            await limiter.settle()
        total += await admitted(processes[0], policies[0], 10)
        assert total == 200

    async def test_begins_anew_at_midnight(self, process, tenant, clock):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        assert await admitted(limiter, limits, 250) == 200
        error = await refusal(limiter, limits)
        assert (error.status, error.code, error.headers) == (429, "quota_exceeded", {"Retry-After": "43200"})

        clock.seconds = 43_200
        assert await admitted(limiter, limits, 250) == 200

    async def test_of_nothing_lets_nothing_through(self, process, database):
        limiter = process()
        none = await make_tenant(database, "none", limits={"executionsPerDay": 0})
        assert await admitted(limiter, limiter.policy_of(handler(), none), 3) == 0

    async def test_spares_the_database(self, process, tenant, clock, statements):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        for _ in range(100):
            clock.seconds += 0.1
            await limiter.take(limits)
        assert len(statements) < 30

    async def test_tells_once_that_it_is_near_and_once_that_it_is_over(
        self, process, tenant, clock, database
    ):
        processes = [process() for _ in range(2)]
        policies = [limiter.policy_of(handler(), tenant) for limiter in processes]
        for _ in range(40):
            clock.seconds += 15
            for limiter, limits in zip(processes, policies, strict=True):
                await admitted(limiter, limits, 3)
        near, over = await rows(database, tenant, Event)

        assert (near.type, over.type) == ("usage.threshold_reached", "usage.limit_exceeded")
        assert (near.resource_type, near.resource_id) == ("usage", "executions:2026-01-01")
        assert (near.actor_type, near.sequence, over.sequence) == ("system", 1, 2)
        assert 160 <= near.payload["used"] <= 166
        assert near.payload["threshold_percent"] == 80
        assert over.payload == {
            "metric": "executions",
            "period": "day",
            "started_at": "2026-01-01T00:00:00.000Z",
            "resets_at": "2026-01-02T00:00:00.000Z",
            "limit": 200,
            "used": 200,
        }

    async def test_tells_again_the_next_day(self, process, tenant, clock, database):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        await admitted(limiter, limits, 201)
        clock.seconds += 86_400
        await admitted(limiter, limits, 201)
        assert [event.resource_id for event in await rows(database, tenant, Event)] == [
            *("executions:2026-01-01", "executions:2026-01-01"),
            *("executions:2026-01-02", "executions:2026-01-02"),
        ]

    async def test_does_not_count_what_started_no_execution(self, process, tenant):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        for _ in range(50):
            await limiter.take(limits)
            limits.uncount()
        assert await admitted(limiter, limits, 250) == 200

    async def test_shows_what_was_used_once_it_is_settled(self, process, tenant, clock, database):
        limiter = process()
        assert await admitted(limiter, limiter.policy_of(handler(), tenant), 77) == 77
        await limiter.close()
        (counter,) = await rows(database, tenant, UsageCounter)
        assert (counter.used, counter.is_near, counter.is_exceeded) == (77, False, False)


class TestATenantWithoutAQuota:
    async def test_is_counted_without_being_asked_for(self, process, tenant, clock, database, statements):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        for _ in range(1000):
            assert limiter.try_take(limits)
        await limiter.settle()
        assert statements == []

        clock.seconds += 31
        await limiter.settle()
        limiter.try_take(limits)
        await limiter.close()
        (counter,) = await rows(database, tenant, UsageCounter)
        assert counter.used == 1001

    async def test_is_counted_day_by_day(self, process, tenant, clock, database):
        limiter = process()
        limits = limiter.policy_of(handler(), tenant)
        clock.seconds = 43_199
        limiter.try_take(limits)
        clock.seconds = 43_200
        await limiter.settle()
        limiter.try_take(limits)
        limiter.try_take(limits)
        await limiter.close()
        counters = await rows(database, tenant, UsageCounter)
        assert {str(row.day): row.used for row in counters} == {"2026-01-01": 1, "2026-01-02": 2}

    async def test_gets_a_quota_and_loses_it_while_it_is_served(self, process, tenant, clock, database):
        limiter = process()
        assert await admitted(limiter, limiter.policy_of(handler(), tenant), 5) == 5
        tenant.limits = {"executionsPerDay": 3}
        assert await admitted(limiter, limiter.policy_of(handler(), tenant), 5) == 3
        tenant.limits = None
        assert await admitted(limiter, limiter.policy_of(handler(), tenant), 5) == 5
        await limiter.close()
        (counter,) = await rows(database, tenant, UsageCounter)
        assert counter.used == 13

    async def test_that_was_deleted_does_not_keep_others_from_being_counted(self, process, clock, database):
        limiter = process()
        gone, tenant = await make_tenant(database, "gone"), await make_tenant(database)
        for one in (gone, tenant):
            limiter.try_take(limiter.policy_of(handler(), one))
        async with database.transaction(TenantId(gone.id)) as session:
            await session.delete(await session.get(Tenant, gone.id))
        clock.seconds += 31
        await limiter.settle()
        (counter,) = await rows(database, tenant, UsageCounter)
        assert counter.used == 1


class TestAnAddress:
    def test_is_refused_where_the_handler_names_others(self, process, tenant):
        limits = process().policy_of(handler(allowed_cidrs=["192.0.2.0/24"]), tenant)
        limits.check_address("192.0.2.7")
        limits.check_address("::ffff:192.0.2.7")
        for stranger in ("192.0.3.7", "2001:db8::1", "unknown", None):
            with pytest.raises(AddressNotAllowed) as refused:
                limits.check_address(stranger)
            assert (refused.value.status, refused.value.code) == (403, "address_not_allowed")

    def test_may_be_any_where_the_handler_names_none(self, process, tenant):
        process().policy_of(handler(), tenant).check_address(None)


class TestConnections:
    """On several at a time, with PostgreSQL's own clock."""

    RATE = {"requests": 1, "per": 86_400, "burst": 100}

    async def test_never_hand_out_one_token_twice(self, committed):
        tenant, served = await make_tenant(committed), handler(rate_limit=self.RATE)
        limiters = [Limiter(committed, Settings(_env_file=None)) for _ in range(5)]

        async def flood(limiter) -> int:
            return await admitted(limiter, limiter.policy_of(served, tenant), 40)

        assert 50 <= sum(await asyncio.gather(*map(flood, limiters))) <= 100
        for limiter in limiters:
            await limiter.close()
        (bucket,) = await rows(committed, tenant, RateBucket)
        assert bucket.id == served.id

    async def test_never_exceed_a_quota_and_tell_once(self, committed):
        tenant = await make_tenant(committed, limits={"executionsPerDay": 60})
        limiters = [Limiter(committed, Settings(_env_file=None)) for _ in range(5)]

        async def flood(limiter) -> int:
            return await admitted(limiter, limiter.policy_of(handler(), tenant), 20)

        assert sum(await asyncio.gather(*map(flood, limiters))) == 60
        types = [event.type for event in await rows(committed, tenant, Event)]
        assert sorted(types) == ["usage.limit_exceeded", "usage.threshold_reached"]

    async def test_are_asked_once_for_all_who_wait(self, committed, monkeypatch):
        tenant = await make_tenant(committed)
        limiter = Limiter(committed, Settings(_env_file=None))
        limits = limiter.policy_of(handler(rate_limit={"requests": 1, "per": 60}), tenant)
        asked: list[object] = []
        lease = limiter._lease

        async def counted(meter) -> None:
            asked.append(meter)
            await lease(meter)

        monkeypatch.setattr(limiter, "_lease", counted)
        answers = await asyncio.gather(*(is_admitted(limiter, limits) for _ in range(50)))
        assert sum(answers) == 1
        assert len(asked) == 2

    async def test_are_left_to_the_others_by_one_who_goes_away(self, committed):
        tenant = await make_tenant(committed)
        limiter = Limiter(committed, Settings(_env_file=None))
        limits = limiter.policy_of(handler(rate_limit={"requests": 60, "per": 60}), tenant)
        impatient, patient = (asyncio.create_task(limiter.take(limits)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        await patient
        assert impatient.cancelled()

    async def test_that_are_cut_let_nobody_through(self, committed, committed_urls):
        tenant = await make_tenant(committed)
        limiter = Limiter(committed, Settings(_env_file=None))
        limits = limiter.policy_of(handler(rate_limit={"requests": 60, "per": 60}), tenant)
        async with administer(committed_urls.admin) as connection, connection.begin():
            await connection.execute(text("LOCK TABLE rate_buckets IN ACCESS EXCLUSIVE MODE"))
            waiting = asyncio.create_task(limiter.take(limits))
            while not await connection.scalar(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            ):
                await asyncio.sleep(0.01)
        with pytest.raises(Exception, match=r"terminat|closed"):
            await waiting
        assert await is_admitted(limiter, limits)

    async def test_of_a_deleted_tenant_find_nothing(self, committed):
        gone = Tenant(id=new_id(), slug="gone", limits={"executionsPerDay": 5})
        limiter = Limiter(committed, Settings(_env_file=None))
        for served in (handler(rate_limit=self.RATE), handler()):
            with pytest.raises(NotFound):
                await limiter.take(limiter.policy_of(served, gone))
