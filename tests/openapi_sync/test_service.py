import asyncio

import pytest

from app.db.session import Database
from app.handlers.errors import HandlerNameTaken
from app.models import AuditRecord, Event, Handler, OpenApiDocument
from app.openapi_sync.repository import SyncedHandlerRepository
from tests.fixtures.app import Member, connect, fill_audit_log, join, open_test_resources, rows, wire
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import Sofa, document, get, many

pytestmark = pytest.mark.anyio


@pytest.fixture
async def committed_resources(committed, settings):
    async with open_test_resources(committed, settings) as resources:
        yield resources


@pytest.fixture
async def member(committed_resources, settings):
    """A tenant in a database of its own, where commits are real."""
    tenant, token = await join(committed_resources, "acme")
    async with connect(wire(committed_resources), token) as client:
        yield Member(tenant, token, client)


@pytest.fixture
async def committed_sofa(member, upstream) -> Sofa:
    return await Sofa.of(member, upstream)


async def count(database: Database, member: Member) -> list[int]:
    return [
        len(await rows(database, member, model)) for model in (Handler, OpenApiDocument, Event, AuditRecord)
    ]


class TestTwoAtOnce:
    async def test_make_no_duplicates(self, committed_sofa, committed, member):
        committed_sofa.publish(many(20))
        results = await asyncio.gather(*(committed_sofa.sync() for _ in range(4)))

        assert sorted(result["created"] for result in results) == [0, 0, 0, 20]
        assert len(await committed_sofa.handlers()) == 20
        assert len(await rows(committed, member, OpenApiDocument)) == 1

    async def test_share_a_tenants_names(self, committed_sofa, member, upstream):
        other = await Sofa.of(member, upstream, "Other")
        committed_sofa.publish(many(20))
        results = await asyncio.gather(committed_sofa.sync(), other.sync())

        assert [result["created"] for result in results] == [20, 20]
        names = {*await committed_sofa.handlers(), *await other.handlers()}
        assert len(names) == 40


class TestFailure:
    async def test_changes_nothing(self, committed_sofa, committed, committed_urls, member):
        await committed_sofa.sync(many(2))
        before = await count(committed, member)
        await fill_audit_log(committed_urls)
        committed_sofa.publish(many(9))
        response = await committed_sofa.post()

        assert response.status_code == 503
        assert await count(committed, member) == before


class TestWaiting:
    async def test_holds_no_connection_while_the_upstream_is_awaited(
        self, committed_sofa, committed, upstream
    ):
        release = asyncio.Event()
        committed_sofa.answer(Answer(body=document(many(2)), release=release))
        syncing = asyncio.create_task(committed_sofa.sync())
        await upstream.arrived.wait()
        held = committed.bind.pool.checkedout()
        release.set()

        assert (await syncing)["created"] == 2
        assert held == 0

    async def test_loses_no_edit_made_meanwhile(self, committed_sofa, upstream):
        await committed_sofa.sync({"/pets": get("listPets")})
        release = asyncio.Event()
        upstream.arrived.clear()
        committed_sofa.answer(Answer(body=document({"/pets": get("listPets", tags=["x"])}), release=release))
        syncing = asyncio.create_task(committed_sofa.sync())
        await upstream.arrived.wait()
        await committed_sofa.edit("list-pets", defaultArgs={"limit": 7}, enabled=False)
        release.set()
        await syncing

        row = (await committed_sofa.handlers())["list-pets"]
        assert (row["defaultArgs"], row["enabled"]) == ({"limit": 7}, False)

    async def test_does_not_know_an_integration_that_was_deleted_meanwhile(self, committed_sofa, upstream):
        release = asyncio.Event()
        committed_sofa.answer(Answer(body=document(many(2)), release=release))
        syncing = asyncio.create_task(committed_sofa.post())
        await upstream.arrived.wait()
        await committed_sofa.client.delete(committed_sofa.address)
        release.set()

        assert (await syncing).status_code == 404


class TestNameRace:
    """Another transaction takes a planned name after the names were read."""

    @pytest.fixture
    def race(self, monkeypatch):
        """The next so many reads of the tenant's names miss all of them."""
        names = SyncedHandlerRepository.names

        def lose(times):
            left = [set()] * times

            async def stale(self):
                return left.pop() if left else await names(self)

            monkeypatch.setattr(SyncedHandlerRepository, "names", stale)

        return lose

    async def test_is_planned_again(self, sofa, race):
        await sofa.client.post(f"{sofa.address}/handlers", json={"name": "list-pets"})
        race(1)
        result = await sofa.sync({"/pets": get("listPets")})

        assert result["created"] == 1
        assert len(await sofa.handlers()) == 2

    async def test_ends_in_a_conflict_when_it_is_lost_twice(self, sofa, acme, race, database):
        await sofa.client.post(f"{sofa.address}/handlers", json={"name": "list-pets"})
        race(2)
        sofa.publish({"/pets": get("listPets"), "/stores": get("listStores")})
        response = await sofa.post()

        assert response.status_code == 409
        assert response.json()["code"] == HandlerNameTaken.code
        assert [*await sofa.handlers()] == ["list-pets"]
        assert await rows(database, acme, OpenApiDocument) == []
