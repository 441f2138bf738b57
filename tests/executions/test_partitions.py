"""The partitions of executions, attempts and deduplication keys, and what a deletion leaves in them."""

import asyncio
from datetime import UTC, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.core import clock
from app.core.ids import first_id
from app.db.admin import administer
from app.db.session import Database
from app.executions import claims
from app.executions import source as source_module
from app.executions.admission import queue
from app.executions.executor import Executor
from app.models import Attempt, DedupKey, Execution, Handler, Integration
from tests.executions.test_executor import make_handler, source_of, start
from tests.fixtures.app import Member, join, open_test_resources
from tests.fixtures.database import make_days

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


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


def today():
    return clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def partitions(urls, parent="executions"):
    """What their names end with, oldest first."""
    query = text("""
        SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
        WHERE inhparent = to_regclass('public.' || :parent) ORDER BY relname
    """)
    async with administer(urls.admin) as connection:
        names = await connection.scalars(query, {"parent": parent})
        return [name.removeprefix(f"{parent}_") for name in names]


async def keep(database, ahead=14, kept=30):
    async with database.transaction(None) as session:
        return await claims.keep_partitions(session, ahead=ahead, kept=kept)


async def move(resources, member, claim, moment):
    """Make an execution and its attempts as old as that."""
    id = first_id(moment)
    async with resources.database.transaction(member.tenant_id) as session:
        await session.execute(update(Execution).where(Execution.id == claim.id).values(id=id))
        await session.execute(update(Attempt).where(Attempt.execution_id == claim.id).values(execution_id=id))
    return id


async def performed(resources, member, handler):
    claim = await start(resources, member, handler)
    await Executor(source_of(resources)).run(claim)
    return claim


async def count(resources, member, *models):
    async with resources.database.transaction(member.tenant_id) as session:
        return [await session.scalar(select(func.count()).select_from(model)) for model in models]


class TestKeeping:
    async def test_makes_the_days_ahead(self, committed, committed_urls):
        await keep(committed, ahead=40)
        for parent in ("executions", "attempts"):
            made = await partitions(committed_urls, parent)
            assert {f"{today() + DAY * days:%Y%m%d}" for days in range(41)} <= {*made}
        last = int((clock.now() + DAY * 40).timestamp()) // 604800
        assert str(last) in await partitions(committed_urls, "dedup_keys")

    async def test_changes_nothing_the_second_time(self, committed, committed_urls):
        await keep(committed)
        before = await partitions(committed_urls)
        assert await keep(committed) == 0
        assert await partitions(committed_urls) == before

    async def test_is_safe_when_two_do_it_at_once(self, committed_urls):
        databases = [Database(create_async_engine(committed_urls.app)) for _ in range(4)]
        await make_days(committed_urls, 40)
        dropped = await asyncio.gather(*(keep(database, ahead=30, kept=5) for database in databases))
        for database in databases:
            await database.dispose()
        assert sum(dropped) == 35
        assert (await partitions(committed_urls))[0] == f"{today() - DAY * 5:%Y%m%d}"

    async def test_drops_days_with_their_attempts(self, resources, acme, upstream, committed, committed_urls):
        await make_days(committed_urls, 40)
        handler = await make_handler(resources, acme, upstream)
        old = await performed(resources, acme, handler)
        await performed(resources, acme, handler)
        await move(resources, acme, old, clock.now() - DAY * 31)
        assert await count(resources, acme, Execution, Attempt) == [2, 2]

        assert await keep(committed, kept=30) == 10
        assert await count(resources, acme, Execution, Attempt) == [1, 1]
        oldest = f"{today() - DAY * 30:%Y%m%d}"
        for parent in ("executions", "attempts"):
            assert (await partitions(committed_urls, parent))[0] == oldest

    async def test_keeps_days_with_work_to_do(self, resources, acme, upstream, committed, committed_urls):
        await make_days(committed_urls, 40)
        claim = await start(resources, acme, await make_handler(resources, acme, upstream), make=queue)
        moment = clock.now() - DAY * 35
        await move(resources, acme, claim, moment)

        assert await keep(committed, kept=30) == 9
        assert (await partitions(committed_urls))[0] == f"{moment:%Y%m%d}"
        assert await count(resources, acme, Execution) == [1]

    async def test_drops_weeks_of_keys(self, committed, committed_urls):
        await make_days(committed_urls, 40)
        week = int(clock.now().timestamp()) // 604800
        await keep(committed, kept=30)
        assert await partitions(committed_urls, "dedup_keys") == [str(week + n) for n in range(-2, 3)]

    async def test_makes_the_days_ahead_though_old_ones_are_in_use(self, committed, committed_urls):
        await make_days(committed_urls, 40)
        async with administer(committed_urls.admin) as reader, reader.begin():
            await reader.exec_driver_sql("SELECT count(*) FROM executions")
            assert await keep(committed, ahead=40, kept=30) == 0
        assert f"{today() + DAY * 40:%Y%m%d}" in await partitions(committed_urls)
        assert await keep(committed, kept=30) == 10

    async def test_waits_for_no_reader_to_make_days(self, committed, committed_urls):
        async with administer(committed_urls.admin) as reader, reader.begin():
            await reader.exec_driver_sql("SELECT count(*) FROM executions")
            async with asyncio.timeout(10):
                await keep(committed, ahead=40)


class TestRights:
    async def test_let_both_serving_roles_keep_partitions(self, committed, as_worker):
        assert await keep(committed) == await keep(as_worker) == 0

    async def test_let_nobody_else(self, database_urls):
        query = text("""
            SELECT has_function_privilege(role, function, 'EXECUTE')
            FROM unnest(ARRAY['jackfield_ro', 'jackfield_definer']) AS role, unnest(ARRAY[
                'app.keep_partitions(integer, integer)', 'app.add_partitions(timestamptz, timestamptz)'
            ]) AS function
        """)
        async with administer(database_urls.admin) as connection:
            assert [*await connection.scalars(query)] == [False] * 4

    @pytest.mark.parametrize("parent", ["executions", "attempts"])
    async def test_let_nobody_read_a_partition_itself(self, committed, as_worker, parent):
        await keep(committed)
        table = f"{parent}_{today():%Y%m%d}"
        for database in (committed, as_worker):
            async with database.transaction(None) as session:
                with pytest.raises(DBAPIError, match="permission denied"):
                    await session.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - a literal of ours


class TestDeletion:
    """There is no foreign key: a trigger does what ON DELETE CASCADE would."""

    @pytest.fixture
    async def furnished(self, resources, acme, globex, upstream, committed_urls):
        await make_days(committed_urls, 40)
        for member in (acme, globex):
            handler = await make_handler(resources, member, upstream)
            for days in (0, 3, 33):
                claim = await performed(resources, member, handler)
                await move(resources, member, claim, clock.now() - DAY * days)
            week = int(clock.now().timestamp()) // 604800
            async with resources.database.transaction(member.tenant_id) as session:
                session.add_all(
                    DedupKey(
                        tenant_id=member.tenant_id,
                        handler_id=handler.id,
                        key="k",
                        week=week - back,
                        execution_id=claim.id,
                    )
                    for back in (0, 1)
                )
        return acme

    @pytest.mark.parametrize("model", [Handler, Integration])
    async def test_of_a_handler_leaves_nothing_behind(self, resources, furnished, globex, model):
        async with resources.database.transaction(furnished.tenant_id) as session:
            await session.delete((await session.scalars(select(model))).one())

        assert await count(resources, furnished, Execution, Attempt, DedupKey) == [0, 0, 0]
        assert await count(resources, globex, Execution, Attempt, DedupKey) == [3, 3, 2]

    async def test_of_a_tenant_leaves_nothing_behind(self, resources, furnished, globex, committed_urls):
        async with administer(committed_urls.admin) as connection, connection.begin():
            await connection.exec_driver_sql("ALTER TABLE audit_logs DISABLE TRIGGER USER")
            await connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER USER")
            await connection.execute(text("DELETE FROM tenants WHERE id = :id"), {"id": furnished.tenant_id})
        assert await count(resources, furnished, Execution, Attempt, DedupKey) == [0, 0, 0]
        assert await count(resources, globex, Execution, Attempt, DedupKey) == [3, 3, 2]

    async def test_of_one_handler_spares_the_tenants_other(self, resources, acme, upstream):
        gone, stays = [await make_handler(resources, acme, upstream) for _ in range(2)]
        for handler in (gone, stays):
            await performed(resources, acme, handler)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.delete(await session.get_one(Handler, (acme.tenant_id, gone.id)))
        assert await count(resources, acme, Execution, Attempt) == [1, 1]

    async def test_waits_for_an_attempt_that_is_being_stored(
        self, resources, acme, upstream, committed_urls, monkeypatch
    ):
        """Else the attempt would be there after its execution had gone, and nobody would ever find it."""
        handler = await make_handler(resources, acme, upstream)
        claim = await start(resources, acme, handler)
        source = source_of(resources)
        ((held, job),) = await source.read([claim])
        done = await source.perform(held, job)

        async def delete():
            async with resources.database.transaction(acme.tenant_id) as session:
                await session.delete(await session.get_one(Handler, (acme.tenant_id, handler.id)))

        finish, deleting = source_module.finish, []

        async def commit_late(*args):
            held = await finish(*args)
            deleting.append(asyncio.create_task(delete()))
            async with asyncio.timeout(10):
                while not await waits(committed_urls):
                    await asyncio.sleep(0)
            return held

        monkeypatch.setattr(source_module, "finish", commit_late)
        await source.finish([done])
        await deleting[0]
        assert await count(resources, acme, Execution, Attempt) == [0, 0]


async def waits(urls):
    async with administer(urls.admin) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(await connection.scalar(text(query)))
