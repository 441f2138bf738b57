"""The worker's loop as its own database role, with real commits."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.crypto import OVERHEAD
from app.db.errors import RoleTooWeak
from app.db.session import Database, driver_of
from app.engine.claim import FIRST_LANE, Wanted
from app.engine.slots import Limits
from app.engine.worker import Worker
from app.executions import claims
from app.executions.admission import queue
from app.models import Execution, IdempotencyKey, RejectedRequest
from app.worker import check_worker
from tests.executions.test_executor import make_handler, source_of, start
from tests.fixtures.app import Member, join, open_test_resources
from tests.fixtures.upstream import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def acme(resources):
    tenant, token = await join(resources, "acme")
    return Member(tenant, token, None)


@pytest.fixture
async def as_worker(committed_urls):
    database = Database(create_async_engine(committed_urls.worker))
    yield database
    await database.dispose()


@asynccontextmanager
async def working(as_worker, resources, concurrency=4):
    stop = asyncio.Event()
    limits = Limits(total=concurrency, per_tenant=concurrency, per_lane=concurrency)
    worker = Worker(source_of(resources, as_worker), limits, poll_s=0.01, lease_s=15)
    task = asyncio.create_task(worker.run(stop))
    yield stop
    stop.set()
    async with asyncio.timeout(10):
        await task


async def queued(resources, acme, upstream, number=1, **fields):

    handler = await make_handler(resources, acme, upstream, **fields)
    return [await start(resources, acme, handler, make=queue) for _ in range(number)]


async def statuses(resources, acme):
    async with resources.database.transaction(acme.tenant_id) as session:
        return sorted(await session.scalars(select(Execution.status)))


def wanted(most, **fields):
    return Wanted(most=most, start=FIRST_LANE, since=UUID(int=0), per_lane=most, per_tenant=most, **fields)


async def until(condition):
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


class TestRun:
    async def test_runs_everything_that_is_due(self, as_worker, resources, acme, upstream):
        await queued(resources, acme, upstream, 20)

        async def all_done():
            return await statuses(resources, acme) == ["succeeded"] * 20

        async with working(as_worker, resources):
            await until(all_done)
        assert len(upstream.requests) == 20

    async def test_runs_no_more_at_a_time_than_it_may(self, as_worker, resources, acme, upstream):
        release = asyncio.Event()
        upstream.answer("/in", Answer(release=release))
        await queued(resources, acme, upstream, 5)

        async def two_running():
            return await statuses(resources, acme) == ["queued"] * 3 + ["running"] * 2

        async with working(as_worker, resources, concurrency=2):
            await until(two_running)
            assert len(upstream.requests) <= 2
            release.set()

    async def test_finishes_what_runs_when_it_is_stopped(self, as_worker, resources, acme, upstream):
        release = asyncio.Event()
        upstream.answer("/in", Answer(release=release))
        await queued(resources, acme, upstream)
        async with working(as_worker, resources) as stop:
            await upstream.arrived.wait()
            stop.set()
            release.set()

        assert await statuses(resources, acme) == ["succeeded"]

    async def test_survives_an_execution_that_breaks_the_executor(self, as_worker, resources, acme, upstream):
        (broken,) = await queued(resources, acme, upstream)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(
                update(Execution).where(Execution.id == broken.id).values(headers=[["only a name"]])
            )
        await queued(resources, acme, upstream)

        async def other_done():
            return await statuses(resources, acme) == ["running", "succeeded"]

        async with working(as_worker, resources):
            await until(other_done)


class TestCheck:
    async def test_lets_a_worker_pass_and_no_other_login(self, as_worker, resources):
        await check_worker(as_worker)
        with pytest.raises(RoleTooWeak, match="jackfield_app may not claim"):
            await check_worker(resources.database)


class TestClaims:
    async def test_go_to_one_worker_each(self, as_worker, resources, acme, upstream):
        await queued(resources, acme, upstream, 10)

        async def take():
            async with as_worker.transaction(None) as session:
                return await claims.claim(await driver_of(session), wanted(4))

        taken = await asyncio.gather(*(take() for _ in range(4)))
        ids = [claim.id for batch in taken for claim in batch]
        assert sorted(ids) == sorted({*ids})
        assert len(ids) == 10

    async def test_come_back_when_the_lease_ends(self, as_worker, resources, acme, upstream):
        await queued(resources, acme, upstream)
        async with as_worker.transaction(None) as session:
            (first,) = await claims.claim(await driver_of(session), wanted(1))
        async with as_worker.transaction(None) as session:
            assert await claims.claim(await driver_of(session), wanted(1)) == []
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(Execution).values(due_at=text("now() - interval '1 second'")))
        async with as_worker.transaction(None) as session:
            (second,) = await claims.claim(await driver_of(session), wanted(1))

        assert (second.id, second.fence) == (first.id, first.fence + 1)

    async def test_are_renewed_for_those_who_hold_them_only(self, as_worker, resources, acme, upstream):
        await queued(resources, acme, upstream)
        async with as_worker.transaction(None) as session:
            (held,) = await claims.claim(await driver_of(session), wanted(1))
        lost = replace(held, fence=held.fence - 1)

        async def lease_after(claim):
            async with resources.database.transaction(acme.tenant_id) as session:
                await session.execute(update(Execution).values(due_at=text("now() + interval '1 second'")))
            async with as_worker.transaction(None) as session:
                await claims.renew(await driver_of(session), [claim])
            async with resources.database.transaction(acme.tenant_id) as session:
                return await session.scalar(select(Execution.due_at > text("now() + interval '5 seconds'")))

        assert await lease_after(held) is True
        assert await lease_after(lost) is False

    async def test_serve_the_longest_due_first(self, as_worker, resources, acme, upstream):
        _, second = await queued(resources, acme, upstream, 2)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(
                update(Execution)
                .where(Execution.id == second.id)
                .values(due_at=text("now() - interval '1 hour'"))
            )
        async with as_worker.transaction(None) as session:
            (claim,) = await claims.claim(await driver_of(session), wanted(1))

        assert claim.id == second.id


class TestPurge:
    async def test_drops_what_is_kept_for_a_time_only(self, as_worker, resources, acme, upstream):
        (claim,) = await queued(resources, acme, upstream)
        async with resources.database.transaction(acme.tenant_id) as session:
            execution = await session.get_one(Execution, (acme.tenant_id, claim.id))
            for hours in (71, 73):
                session.add(
                    RejectedRequest(
                        tenant_id=acme.tenant_id,
                        handler_id=execution.handler_id,
                        reason=f"{hours}",
                        method="POST",
                        query="",
                        headers=[],
                        body=b"",
                        created_at=text(f"now() - interval '{hours} hours'"),
                    )
                )
            for hours in (23, 25):
                session.add(
                    IdempotencyKey(
                        tenant_id=acme.tenant_id,
                        key=f"{hours}",
                        method="POST",
                        path="/",
                        fingerprint=b"",
                        status=201,
                        headers={},
                        sealed_body=b"\1" * OVERHEAD,
                        created_at=text(f"now() - interval '{hours} hours'"),
                    )
                )
        async with as_worker.transaction(None) as session:
            await claims.purge_expired(session)

        async with resources.database.transaction(acme.tenant_id) as session:
            assert (await session.scalars(select(RejectedRequest.reason))).all() == ["71"]
            assert (await session.scalars(select(IdempotencyKey.key))).all() == ["23"]
