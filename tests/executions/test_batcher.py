"""Group commit: many senders, one that spoils the batch, and a database that is away."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import create_async_engine
from structlog.testing import capture_logs

from app.core.errors import NotFound, Unavailable, Unprocessable
from app.core.ids import TenantId
from app.db.admin import administer
from app.db.session import Database
from app.executions import batcher as module
from app.executions.admission import Received, queue, recipient_of
from app.executions.batcher import MAX_BATCH, AdmissionBatcher
from app.executions.errors import AdmissionQueueFull
from app.models import DedupKey, Execution, Handler, Trigger
from tests.executions.test_executor import make_handler
from tests.fixtures.app import Member, join, open_test_resources
from tests.fixtures.database import make_days

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No pause before a second try."""
    monkeypatch.setattr(module, "RETRY_PAUSES_S", (0, 0, 0))


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
def batcher(committed):
    return AdmissionBatcher(committed, most_waiting=1000)


async def recipient(resources, member, upstream):
    return recipient_of(await make_handler(resources, member, upstream), upstream.url)


@pytest.fixture
async def to_acme(resources, acme, upstream):
    return await recipient(resources, acme, upstream)


@pytest.fixture
async def to_globex(resources, globex, upstream):
    return await recipient(resources, globex, upstream)


def webhook(recipient, key=None, **received):
    return queue(recipient, Trigger.WEBHOOK, Received(**{"method": "POST", **received}), key=key)


async def stored(resources, member, column=Execution.id):
    async with resources.database.transaction(member.tenant_id) as session:
        return [*await session.scalars(select(column).order_by(column))]


async def admit_together(batcher, *news):
    return await asyncio.gather(*map(batcher.admit, news), return_exceptions=True)


class Scripted:
    """A database whose connections fail by script; whatever is not scripted reaches the real one."""

    def __init__(self, database, *errors):
        self.database = database
        self.errors = [*errors]
        self.opened = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @asynccontextmanager
    async def statements(self):
        self.opened += 1
        await self.gate.wait()
        if self.errors and (error := self.errors.pop(0)):
            raise error
        async with self.database.statements() as connection:
            yield connection


def scripted(committed, *errors, most_waiting=1000):
    database = Scripted(committed, *errors)
    return database, AdmissionBatcher(database, most_waiting=most_waiting)


def lost():
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class TestAdmit:
    async def test_stores_a_batch_of_several_tenants(
        self, batcher, resources, acme, globex, to_acme, to_globex
    ):
        ours, theirs = [webhook(to_acme) for _ in range(5)], [webhook(to_globex) for _ in range(5)]
        admitted = await admit_together(batcher, *ours, *theirs)

        assert admitted == [new.id for new in (*ours, *theirs)]
        assert await stored(resources, acme) == sorted(new.id for new in ours)
        assert await stored(resources, globex) == sorted(new.id for new in theirs)

    async def test_stores_more_than_fit_a_batch(self, batcher, resources, acme, to_acme):
        news = [webhook(to_acme) for _ in range(MAX_BATCH * 2 + 50)]
        assert await admit_together(batcher, *news) == [new.id for new in news]
        assert len(await stored(resources, acme)) == len(news)
        await batcher.close()
        assert (batcher.depth, batcher._waiting_bytes, batcher._flying) == (0, 0, 0)

    async def test_keeps_its_connection_for_who_comes_next(self, committed, to_acme):
        database, batcher = scripted(committed)
        for _ in range(5):
            await batcher.admit(webhook(to_acme))
        assert database.opened == 1
        await batcher.close()

    async def test_gives_its_connection_back_when_nobody_comes(self, committed, to_acme, monkeypatch):
        monkeypatch.setattr(module, "LINGER_S", 0)
        database, batcher = scripted(committed)
        await batcher.admit(webhook(to_acme))
        await asyncio.wait([*batcher._flights])
        await batcher.admit(webhook(to_acme))
        assert database.opened == 2

    async def test_loses_nobody_who_comes_as_it_gives_up_waiting(self, committed, to_acme, monkeypatch):
        monkeypatch.setattr(module, "LINGER_S", 0)
        _, batcher = scripted(committed)
        news = [webhook(to_acme) for _ in range(60)]
        admitted = []
        for new in news:
            admitted.append(asyncio.ensure_future(batcher.admit(new)))
            await asyncio.sleep(0)
        assert [await one for one in admitted] == [new.id for new in news]

    async def test_calls_back_who_does_not_wait(self, committed, to_acme):
        _, batcher = scripted(committed)
        told = asyncio.get_running_loop().create_future()
        new = webhook(to_acme)
        batcher.take(new, told.set_result)
        assert await told == new.id

    async def test_makes_many_share_few_commits(self, committed, to_acme):
        database, batcher = scripted(committed)
        await admit_together(batcher, *(webhook(to_acme) for _ in range(100)))
        assert database.opened <= module.FLIGHTS

    async def test_finds_a_handler_that_is_gone_and_spares_the_others(
        self, batcher, resources, acme, upstream, to_acme
    ):
        gone = await recipient(resources, acme, upstream)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.delete(await session.get_one(Handler, (acme.tenant_id, gone.handler_id)))
        sound = webhook(to_acme)
        missing, with_key, admitted = await admit_together(
            batcher, webhook(gone), webhook(gone, key="k"), sound
        )

        assert isinstance(missing, NotFound)
        assert isinstance(with_key, NotFound)
        assert admitted == sound.id

    async def test_never_admits_to_a_handler_of_another_tenant(
        self, batcher, resources, acme, globex, to_acme, to_globex
    ):
        foreign = replace(to_globex, tenant_id=TenantId(acme.tenant_id))
        refused, keyed = await admit_together(batcher, webhook(foreign), webhook(foreign, key="k"))

        assert isinstance(refused, NotFound)
        assert isinstance(keyed, NotFound)
        for member in (acme, globex):
            assert await stored(resources, member) == []
            assert await stored(resources, member, DedupKey.key) == []

    async def test_tells_a_worker_of_the_same_process(self, batcher, to_acme):
        told = []
        batcher.on_stored = lambda: told.append(batcher.depth)
        await batcher.admit(webhook(to_acme))

        assert told == [0]

    async def test_tells_the_others_when_one_cannot_be_told(self, batcher, to_acme):
        def told(_):
            raise RuntimeError("its connection is gone")

        broken, sound = webhook(to_acme), webhook(to_acme)
        with capture_logs() as lines:
            batcher.take(broken, told)
            assert await batcher.admit(sound) == sound.id
        assert [line["event"] for line in lines] == ["admission.untold"]


@asynccontextmanager
async def locked(resources, recipient):
    """Meanwhile no execution of that handler can be stored."""
    async with resources.database.transaction(recipient.tenant_id) as session:
        key = (recipient.tenant_id, recipient.handler_id)
        await session.get_one(Handler, key, with_for_update=True)
        yield


class TestABatchThatTakesLong:
    async def until_away(self, batcher):
        async with asyncio.timeout(10):
            while not batcher._in_the_air:
                await asyncio.sleep(0)

    async def test_is_overtaken_once_it_is_late(self, batcher, resources, to_acme, to_globex, monkeypatch):
        monkeypatch.setattr(module, "LATE_S", 0)
        async with locked(resources, to_acme):
            late = asyncio.ensure_future(batcher.admit(webhook(to_acme)))
            await self.until_away(batcher)
            async with asyncio.timeout(10):
                await batcher.admit(webhook(to_globex))
            assert not late.done()
        await late

    async def test_is_waited_for_until_then(self, committed, resources, to_acme, to_globex, monkeypatch):
        monkeypatch.setattr(module, "LATE_S", 60)
        database, batcher = scripted(committed)
        async with locked(resources, to_acme):
            first = asyncio.ensure_future(batcher.admit(webhook(to_acme)))
            await self.until_away(batcher)
            others = asyncio.gather(*(batcher.admit(webhook(to_globex)) for _ in range(5)))
            await asyncio.sleep(0)
            assert batcher.depth == 5
        await first
        await others
        assert database.opened == 1


class TestDeduplication:
    async def test_within_one_batch(self, batcher, resources, acme, to_acme):
        admitted = await admit_together(batcher, *(webhook(to_acme, key="same") for _ in range(10)))
        assert [*{*admitted}] == await stored(resources, acme)

    async def test_across_batches(self, batcher, resources, acme, to_acme):
        first = await batcher.admit(webhook(to_acme, key="same"))
        assert await batcher.admit(webhook(to_acme, key="same")) == first
        assert await stored(resources, acme) == [first]

    async def test_across_processes_at_once(self, committed_urls, resources, acme, to_acme):
        databases = [Database(create_async_engine(committed_urls.app)) for _ in range(4)]
        batchers = [AdmissionBatcher(database, most_waiting=1000) for database in databases]
        keys = [f"key {number}" for number in range(40)]
        admitted = await asyncio.gather(
            *(
                batcher.admit(webhook(to_acme, key=key))
                for number, batcher in enumerate(batchers)
                for key in keys[number * 7 :] + keys[: number * 7]
            )
        )
        assert sorted({*admitted}) == await stored(resources, acme)
        assert len({*admitted}) == 40
        for database in databases:
            await database.dispose()

    async def test_is_of_one_handler(self, batcher, resources, acme, upstream, to_acme, to_globex):
        other = await recipient(resources, acme, upstream)
        news = [webhook(to, key="same") for to in (to_acme, other, to_globex)]
        assert await admit_together(batcher, *news) == [new.id for new in news]


class TestAgain:
    @pytest.mark.parametrize("key", [None, "delivery"])
    async def test_the_same_call_answers_the_same(self, batcher, resources, acme, to_acme, key):
        new = webhook(to_acme, key=key)
        assert [await batcher.admit(new) for _ in range(3)] == [new.id] * 3
        assert await stored(resources, acme) == [new.id]

    async def test_is_offered_what_was_lost_with_its_connection(self, committed, resources, acme, to_acme):
        _, batcher = scripted(committed, lost(), lost())
        news = [webhook(to_acme, key=str(number)) for number in range(5)]
        assert await admit_together(batcher, *news) == [new.id for new in news]
        assert await stored(resources, acme) == sorted(new.id for new in news)

    async def test_is_offered_what_was_committed_and_never_answered(
        self, committed, resources, acme, to_acme, monkeypatch
    ):
        admit_all, answers = module.admit_all, [lost(), None]

        async def cut(connection, rows):
            found = await admit_all(connection, rows)
            if error := answers.pop(0):
                raise error
            return found

        monkeypatch.setattr(module, "admit_all", cut)
        new = webhook(to_acme, key="k")
        assert await AdmissionBatcher(committed, most_waiting=9).admit(new) == new.id
        assert await stored(resources, acme) == [new.id]


SPOILING = [{"query": "\x00"}, {"query": "\ud800"}, {"headers": [("x", "\x00")]}, {"method": "a\x00"}]


class TestSpoiled:
    @pytest.mark.parametrize("values", SPOILING, ids=repr)
    async def test_request_spares_the_others(self, batcher, resources, acme, to_acme, values):
        sound = [webhook(to_acme) for _ in range(4)]
        *admitted, refused = await admit_together(batcher, *sound, webhook(to_acme, **values))

        assert admitted == [new.id for new in sound]
        assert isinstance(refused, Unprocessable)
        assert await stored(resources, acme) == sorted(new.id for new in sound)

    async def test_request_is_refused_when_it_is_alone(self, batcher, to_acme):
        with pytest.raises(Unprocessable):
            await batcher.admit(webhook(to_acme, query="\x00"))

    async def test_request_whose_sender_left_stops_nobody(self, batcher, to_acme, monkeypatch):
        """The sender leaves while its request is tried alone."""
        admit_all = module.admit_all
        spoiled, sound = webhook(to_acme, query="\x00"), webhook(to_acme)
        first = webhook(to_acme)

        async def leaving(connection, rows):
            if [row.id for row in rows] == [spoiled.id]:
                sender.cancel()
                await asyncio.sleep(0)
            return await admit_all(connection, rows)

        monkeypatch.setattr(module, "admit_all", leaving)
        for _ in range(module.FLIGHTS + 1):
            sender = asyncio.create_task(batcher.admit(spoiled))
            async with asyncio.timeout(10):
                assert await admit_together(batcher, sound, first) == [sound.id, first.id]
            await asyncio.wait({sender})
            assert sender.cancelled()
        while batcher._flying:
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await batcher.admit(sound) == sound.id


class TestAway:
    async def test_database_is_told_to_everybody(self, committed, to_acme):
        tries = 1 + len(module.RETRY_PAUSES_S)
        database, batcher = scripted(committed, *(lost() for _ in range(tries)))
        news = [webhook(to_acme) for _ in range(5)]
        refused = await admit_together(batcher, *news)

        assert {type(error) for error in refused} == {Unavailable}
        assert {error.headers["Retry-After"] for error in refused} == {"1"}
        assert len({id(error) for error in refused}) == 5
        assert database.opened == tries
        assert await batcher.admit(news[0]) == news[0].id

    async def test_database_that_never_listened_is_told(self, to_acme):
        nowhere = Database(create_async_engine("postgresql+asyncpg://127.0.0.1:9/nowhere"))
        with pytest.raises(Unavailable):
            await AdmissionBatcher(nowhere, most_waiting=9).admit(webhook(to_acme))
        await nowhere.dispose()

    async def test_database_that_hangs_keeps_nobody_for_ever(
        self, batcher, committed_urls, to_acme, monkeypatch
    ):
        monkeypatch.setattr(module, "PATIENCE_S", 0.2)
        new = webhook(to_acme)
        async with administer(committed_urls.admin) as blocking, blocking.begin():
            await blocking.exec_driver_sql("LOCK TABLE executions")
            async with asyncio.timeout(10):
                with pytest.raises(Unavailable):
                    await batcher.admit(new)
        assert await batcher.admit(new) == new.id


class TestFull:
    async def test_by_number(self, committed, resources, acme, to_acme):
        database, batcher = scripted(committed, most_waiting=3)
        database.gate.clear()
        news = [webhook(to_acme) for _ in range(3)]
        waiting = asyncio.gather(*map(batcher.admit, news))
        await asyncio.sleep(0)
        with pytest.raises(AdmissionQueueFull) as refusal:
            await batcher.admit(webhook(to_acme))
        database.gate.set()

        assert refusal.value.headers["Retry-After"] == "1"
        assert await waiting == [new.id for new in news]
        last = webhook(to_acme)
        assert await batcher.admit(last) == last.id

    async def test_by_bytes(self, committed, to_acme, monkeypatch):
        monkeypatch.setattr(module, "MAX_WAITING_BYTES", 100)
        database, batcher = scripted(committed)
        database.gate.clear()
        waiting = asyncio.create_task(batcher.admit(webhook(to_acme, body=b"x" * 60)))
        await asyncio.sleep(0)
        with pytest.raises(AdmissionQueueFull):
            await batcher.admit(webhook(to_acme, body=b"x" * 41))
        small = asyncio.create_task(batcher.admit(webhook(to_acme, body=b"x" * 40)))
        await asyncio.sleep(0)
        database.gate.set()
        await asyncio.gather(waiting, small)
        assert batcher._waiting_bytes == 0

    async def test_never_by_what_left(self, committed, resources, acme, to_acme):
        database, batcher = scripted(committed)
        database.gate.clear()
        left, stays = webhook(to_acme, body=b"x" * 50), webhook(to_acme)
        leaving = asyncio.create_task(batcher.admit(left))
        staying = asyncio.create_task(batcher.admit(stays))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})
        database.gate.set()

        assert await staying == stays.id
        assert await stored(resources, acme) == [stays.id]
        assert (batcher.depth, batcher._waiting_bytes) == (0, 0)

    async def test_never_with_batches_of_who_left_only(self, committed, to_acme, monkeypatch):
        monkeypatch.setattr(module, "MAX_BATCH_BYTES", 10)
        database, batcher = scripted(committed)
        database.gate.clear()
        leaving = [asyncio.create_task(batcher.admit(webhook(to_acme, body=b"x" * 20))) for _ in range(5)]
        stays = webhook(to_acme)
        staying = asyncio.create_task(batcher.admit(stays))
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        database.gate.set()
        async with asyncio.timeout(10):
            assert await staying == stays.id


WEEK = "floor(extract(epoch FROM now()) / 604800)::bigint"


class TestWeeks:
    async def test_find_a_delivery_of_the_week_before(
        self, batcher, resources, acme, to_acme, committed_urls
    ):
        await make_days(committed_urls, 15)
        first = await batcher.admit(webhook(to_acme, key="same"))
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(DedupKey).values(week=DedupKey.week - 1))
        again = webhook(to_acme, key="same")

        assert await batcher.admit(again) == first
        assert await stored(resources, acme) == [first]

    async def test_forget_a_delivery_of_the_week_before_that(
        self, batcher, resources, acme, to_acme, committed_urls
    ):
        await at_second(committed_urls, f"({WEEK} * 604800 + 4000)")
        first = await batcher.admit(webhook(to_acme, key="same"))
        await make_days(committed_urls, 15)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(DedupKey).values(week=DedupKey.week - 2))
        again = webhook(to_acme, key="same")

        assert await batcher.admit(again) == again.id != first

    async def test_overlap_for_their_first_minutes(self, batcher, resources, acme, to_acme, committed_urls):
        await make_days(committed_urls, 15)
        await at_second(committed_urls, f"({WEEK} * 604800 + 299)")
        first = await batcher.admit(webhook(to_acme, key="same"))
        assert await batcher.admit(webhook(to_acme, key="same")) == first
        weeks = await stored(resources, acme, DedupKey.week)
        assert (len(weeks), weeks[1] - weeks[0]) == (2, 1)

        await at_second(committed_urls, f"({WEEK} * 604800 + 300)")
        other = await batcher.admit(webhook(to_acme, key="other"))
        assert await batcher.admit(webhook(to_acme, key="same")) == first
        async with resources.database.transaction(acme.tenant_id) as session:
            kept = select(func.count()).select_from(DedupKey).where(DedupKey.execution_id == other)
            assert await session.scalar(kept) == 1

    async def test_turn_between_two_deliveries(self, batcher, resources, acme, to_acme, committed_urls):
        """The first is stored in the last second of a week; the same again in the first, and in the next."""
        await make_days(committed_urls, 15)
        await at_second(committed_urls, f"({WEEK} * 604800 - 1)")
        first = await batcher.admit(webhook(to_acme, key="same"))
        for seconds in (0, 299, 300, 604799, 604800):
            await at_second(committed_urls, f"({WEEK} * 604800 + {seconds})")
            admitted = await batcher.admit(webhook(to_acme, key="same"))
            if seconds < 604800:
                assert admitted == first
        assert {*await stored(resources, acme, DedupKey.execution_id)} <= {*await stored(resources, acme)}

    async def test_keep_no_key_of_an_execution_that_was_not_stored(
        self, batcher, resources, acme, to_acme, committed_urls
    ):
        """Two in one batch, in the minutes in which a key goes into both weeks."""
        await make_days(committed_urls, 15)
        await at_second(committed_urls, f"({WEEK} * 604800 + 5)")
        await admit_together(batcher, *(webhook(to_acme, key=f"{n % 50}") for n in range(200)))
        ids = await stored(resources, acme)
        assert len(ids) == 50
        assert {*await stored(resources, acme, DedupKey.execution_id)} == {*ids}


async def at_second(urls, seconds):
    """Admission as it works at that Unix time: the same function, with another clock in its first line."""
    async with administer(urls.admin) as connection, connection.begin():
        declared = await connection.scalar(
            text("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'admit_executions'")
        )
        head, tail = declared.split("seconds bigint := ", 1)
        changed = f"{head}seconds bigint := {seconds};{tail.split(';', 1)[1]}"
        await connection.exec_driver_sql(changed)
