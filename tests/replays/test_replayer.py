"""Turns of replays as the worker's own database role, with real commits."""

import asyncio

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import Database
from app.models import AuditRecord, Execution, Handler, Replay, Tenant
from app.replays import turn
from app.replays.replayer import LEASE, Replayer
from app.replays.repository import claim_replay
from app.services import create_plans
from app.sync_schedules.resyncer import Resyncer
from app.worker import create_worker, run_worker
from tests.executions.test_executor import make_handler
from tests.fixtures.app import Member, connect, join, open_test_resources, wire
from tests.replays.test_router import begin, ended

pytestmark = pytest.mark.anyio


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def acme(resources, settings):
    tenant, token = await join(resources, "acme")
    async with connect(wire(resources), token) as client:
        yield Member(tenant, token, client)


@pytest.fixture
async def as_worker(committed_urls):
    database = Database(create_async_engine(committed_urls.worker))
    yield database
    await database.dispose()


@pytest.fixture
def replayer(as_worker):
    return Replayer(as_worker, poll_s=0.01)


@pytest.fixture
async def handler(resources, acme, upstream):
    return await make_handler(resources, acme, upstream)


async def many(resources, acme, handler, number):
    return [await ended(resources, acme, handler) for _ in range(number)]


async def be_due(resources, acme):
    """As if the time until the next turn, or a lease, had passed."""
    async with resources.database.transaction(acme.tenant_id) as session:
        overdue = text("now() - interval '1 second'")
        await session.execute(update(Replay).where(Replay.due_at.is_not(None)).values(due_at=overdue))


async def progress(acme, started):
    row = (await acme.client.get(f"/executions/replays/{started['id']}")).json()
    return row["status"], row["replayed"], row["skipped"]


async def replayed(resources, acme):
    """What was replayed, the oldest first: once for each time."""
    async with resources.database.transaction(acme.tenant_id) as session:
        query = select(Execution.replay_of).where(Execution.trigger == "replay").order_by(Execution.replay_of)
        return [*await session.scalars(query)]


async def to_the_end(replayer, resources, acme):
    async with asyncio.timeout(30):
        while await replayer.take_turn():
            await be_due(resources, acme)


class Killed(BaseException):
    """As nothing in the program can catch it."""


class TestTurns:
    async def test_replay_each_once_and_end(self, replayer, resources, acme, handler):
        ids = await many(resources, acme, handler, 5)
        started = await begin(acme.client, 2, handlerId=str(handler.id))
        await to_the_end(replayer, resources, acme)

        assert await replayed(resources, acme) == sorted(ids)
        assert await progress(acme, started) == ("finished", 5, 0)

    async def test_make_executions_that_are_like_the_first(self, replayer, resources, acme, handler):
        (id,) = await many(resources, acme, handler, 1)
        await begin(acme.client, handlerId=str(handler.id))
        await replayer.take_turn()

        async with resources.database.transaction(acme.tenant_id) as session:
            first = await session.get_one(Execution, (acme.tenant_id, id))
            again = (await session.scalars(select(Execution).where(Execution.replay_of == id))).one()
        assert (again.trigger, again.status, again.attempt_count) == ("replay", "queued", 0)
        for name in ("handler_id", "integration_id", "lane", "method", "query", "headers", "body", "peer"):
            assert getattr(again, name) == getattr(first, name), name

    async def test_take_as_many_as_one_second_may_have(self, replayer, resources, acme, handler):
        await many(resources, acme, handler, 5)
        started = await begin(acme.client, 2, handlerId=str(handler.id))

        assert await replayer.take_turn() is True
        assert await progress(acme, started) == ("running", 2, 0)
        assert await replayer.take_turn() is False, "the second is not over"
        async with resources.database.transaction(acme.tenant_id) as session:
            wait = await session.scalar(select(Replay.due_at - func.clock_timestamp()))
        assert 0 < wait.total_seconds() <= 1

    async def test_match_nothing_that_came_later(self, replayer, resources, acme, handler):
        """Nor what a replay made: it would run for ever."""
        ids = await many(resources, acme, handler, 2)
        started = await begin(acme.client, 1, handlerId=str(handler.id), status=["failed", "succeeded"])
        await replayer.take_turn()
        await many(resources, acme, handler, 1)
        async with resources.database.transaction(acme.tenant_id) as session:
            ends = {"status": "succeeded", "due_at": None, "finished_at": func.clock_timestamp()}
            await session.execute(update(Execution).where(Execution.trigger == "replay").values(**ends))
        await be_due(resources, acme)
        await to_the_end(replayer, resources, acme)

        assert await replayed(resources, acme) == sorted(ids)
        assert await progress(acme, started) == ("finished", 2, 0)

    async def test_skip_what_has_no_handler_that_may_run(self, replayer, resources, acme, handler, upstream):
        off, gone = [await make_handler(resources, acme, upstream) for _ in range(2)]
        for each in (handler, off, gone):
            await many(resources, acme, each, 2)
        started = await begin(acme.client, **{"from": "2026-01-01T00:00:00Z"})
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(Handler).where(Handler.id == off.id).values(enabled=False))
            await session.delete(await session.get_one(Handler, (acme.tenant_id, gone.id)))
        await to_the_end(replayer, resources, acme)

        assert started["matched"] == 6
        assert await progress(acme, started) == ("finished", 2, 4)

    async def test_stop_while_the_upstream_has_enough(self, replayer, resources, acme, handler, monkeypatch):
        monkeypatch.setattr(turn, "MOST_UNFINISHED", 2)
        await many(resources, acme, handler, 3)
        started = await begin(acme.client, handlerId=str(handler.id))
        for _ in range(2):
            await replayer.take_turn()
            await be_due(resources, acme)
        assert await progress(acme, started) == ("running", 2, 0)

        async with resources.database.transaction(acme.tenant_id) as session:
            ends = {"status": "succeeded", "due_at": None, "finished_at": func.clock_timestamp()}
            await session.execute(update(Execution).where(Execution.due_at.is_not(None)).values(**ends))
        await to_the_end(replayer, resources, acme)
        assert await progress(acme, started) == ("finished", 3, 0)

    async def test_wait_for_a_tenant_that_is_suspended(self, replayer, resources, acme, handler):
        await many(resources, acme, handler, 1)
        await begin(acme.client, handlerId=str(handler.id))
        for status, expected in (("suspended", 0), ("active", 1)):
            async with resources.database.transaction(acme.tenant_id) as session:
                await session.execute(update(Tenant).where(Tenant.id == acme.tenant_id).values(status=status))
            await replayer.take_turn()
            await be_due(resources, acme)
            assert len(await replayed(resources, acme)) == expected

    async def test_end_when_it_is_cancelled(self, replayer, resources, acme, handler):
        await many(resources, acme, handler, 3)
        started = await begin(acme.client, 1, handlerId=str(handler.id))
        await replayer.take_turn()
        await acme.client.post(f"/executions/replays/{started['id']}/cancel")
        await be_due(resources, acme)

        assert await replayer.take_turn() is False
        assert await progress(acme, started) == ("cancelled", 1, 0)

    async def test_are_recorded_at_the_end(self, replayer, resources, acme, handler):
        await many(resources, acme, handler, 2)
        started = await begin(acme.client, handlerId=str(handler.id))
        await to_the_end(replayer, resources, acme)

        async with resources.database.transaction(acme.tenant_id) as session:
            query = select(AuditRecord).where(AuditRecord.action == "replay.finished")
            record = (await session.scalars(query)).one()
        assert (record.resource_id, record.actor_type) == (started["id"], "worker")
        assert record.changes == {"matched": 2, "replayed": 2, "skipped": 0}


class TestACrash:
    async def test_in_a_turn_leaves_nothing_of_it(self, replayer, resources, acme, handler, monkeypatch):
        """It dies between storing the executions and the commit; after its lease another one goes on."""
        ids = await many(resources, acme, handler, 5)
        started = await begin(acme.client, 2, handlerId=str(handler.id))
        await replayer.take_turn()
        await be_due(resources, acme)

        async def die(*_):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(turn.ReplayRepository, "postpone", die)
            with pytest.raises(Killed):
                await replayer.take_turn()
        assert await replayed(resources, acme) == sorted(ids)[:2]
        assert await replayer.take_turn() is False, "it is leased"

        await be_due(resources, acme)
        await to_the_end(replayer, resources, acme)
        assert await replayed(resources, acme) == sorted(ids)
        assert await progress(acme, started) == ("finished", 5, 0)

    async def test_is_not_undone_by_one_that_wakes_up_late(
        self, replayer, as_worker, resources, acme, handler
    ):
        ids = await many(resources, acme, handler, 2)
        started = await begin(acme.client, 1, handlerId=str(handler.id))
        async with as_worker.transaction(None) as session:
            late = await claim_replay(session, LEASE)
        await be_due(resources, acme)
        await replayer.take_turn()
        async with as_worker.transaction(late.tenant_id) as session:
            await turn.take_turn(session, late)

        assert await replayed(resources, acme) == sorted(ids)[:1]
        assert await progress(acme, started) == ("running", 1, 0)

    async def test_of_one_replay_leaves_the_others_going(
        self, as_worker, resources, acme, handler, upstream, monkeypatch
    ):
        """Executions that cannot be read spoil their own replay only."""
        other = await make_handler(resources, acme, upstream)
        await many(resources, acme, handler, 1)
        (good,) = await many(resources, acme, other, 1)
        broken = await begin(acme.client, handlerId=str(handler.id))
        fine = await begin(acme.client, handlerId=str(other.id))
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(
                update(Handler).where(Handler.id == handler.id).values(target={"kind": "unheard of"})
            )
        stop = asyncio.Event()
        running = asyncio.create_task(Replayer(as_worker, poll_s=0.01).run(stop))
        async with asyncio.timeout(10):
            while (await progress(acme, fine))[0] != "finished":
                await asyncio.sleep(0.01)
            stop.set()
            await running
        assert await replayed(resources, acme) == [good]
        assert await progress(acme, broken) == ("running", 0, 0)


class TestTwoProcesses:
    async def test_share_the_work_and_do_none_of_it_twice(self, as_worker, resources, acme, handler):
        ids = await many(resources, acme, handler, 30)
        started = [await begin(acme.client, 1, handlerId=str(handler.id)) for _ in range(2)]
        stop = asyncio.Event()
        running = [asyncio.create_task(Replayer(as_worker, poll_s=0.001).run(stop)) for _ in range(4)]
        async with asyncio.timeout(60):
            while {(await progress(acme, one))[0] for one in started} != {"finished"}:
                await be_due(resources, acme)
            stop.set()
            await asyncio.gather(*running)

        assert await replayed(resources, acme) == sorted(ids * 2)


class TestTheWorker:
    async def test_replays_and_runs_what_it_replayed(
        self, as_worker, resources, settings, acme, handler, upstream
    ):
        await many(resources, acme, handler, 3)
        started = await begin(acme.client, handlerId=str(handler.id))
        worker = create_worker(as_worker, create_plans(resources, as_worker), resources.calls, settings)
        resyncer = Resyncer(
            as_worker, resources.fetch, resources.keys, document_limit=settings.document_limit
        )
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(worker, resyncer, as_worker, settings, stop))

        async with asyncio.timeout(20):
            while len((await acme.client.get("/executions?trigger=replay&status=succeeded")).json()) < 3:
                await asyncio.sleep(0.01)
            stop.set()
            await running
        assert await progress(acme, started) == ("finished", 3, 0)
        assert len(upstream.requests) == 3


class TestAnotherTenant:
    async def test_has_its_own_replayed_only(self, replayer, resources, acme, handler, upstream, settings):
        tenant, token = await join(resources, "globex")
        async with connect(wire(resources), token) as client:
            globex = Member(tenant, token, client)
            theirs = await make_handler(resources, globex, upstream)
            await many(resources, globex, theirs, 2)
            (own,) = await many(resources, acme, handler, 1)
            await begin(acme.client, **{"from": "2026-01-01T00:00:00Z"})
            await to_the_end(replayer, resources, acme)

            assert await replayed(resources, acme) == [own]
            assert await replayed(resources, globex) == []
            response = await client.post(
                "/executions/replay", json={"filter": {"handlerId": str(handler.id)}}
            )
            assert response.status_code == 422
