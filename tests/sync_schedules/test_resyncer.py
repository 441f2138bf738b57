"""Runs as the worker's own database role, with real commits, against a document that changes."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import Database
from app.models import AuditRecord, Event, Handler, Integration, OpenApiDocument, SyncSchedule, Tenant
from app.sync_schedules import resyncer as loops
from app.sync_schedules.errors import ClaimLost
from app.sync_schedules.repository import claim_schedule
from app.sync_schedules.resyncer import LEASE, Resyncer
from app.sync_schedules.run import Run
from tests.core.egress.loopback import unused_port
from tests.fixtures.app import Member, connect, join, open_test_resources, rows, wire
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import PATH, Sofa, document, get, many, query

pytestmark = pytest.mark.anyio

REQUIRED = {"name": "kind", "in": "query", "required": True, "schema": {"type": "string"}}
PETS = {"/pets": get("listPets", parameters=[query("limit", "20")])}
TOYS = {"/toys": get("listToys")}
BREAKING = {"/pets": get("listPets", parameters=[query("limit", "20"), REQUIRED])}
"""As ``PETS``, but callers have to say more."""


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def acme(resources):
    tenant, token = await join(resources, "acme")
    async with connect(wire(resources), token) as client:
        yield Member(tenant, token, client)


@pytest.fixture
async def as_worker(committed_urls):
    database = Database(create_async_engine(committed_urls.worker))
    yield database
    await database.dispose()


@pytest.fixture
def resyncer(as_worker, resources):
    return Resyncer(as_worker, resources.fetch, resources.keys, document_limit=2**20, poll_s=0.01)


@pytest.fixture
async def sofa(acme, upstream):
    return await Sofa.of(acme, upstream)


class Schedule:
    """Of an integration, as a test uses it."""

    def __init__(self, resources, resyncer, member, sofa) -> None:
        self.database, self.resyncer, self.member = resources.database, resyncer, member
        self.sofa, self.address = sofa, f"{sofa.address}/sync-schedule"

    async def put(self, **body):
        given = {} if "url" in body else {"integrationName": "sofa"}
        response = await self.member.client.put(self.address, json=given | body)
        assert response.status_code in {200, 201}, response.text

    async def shown(self):
        response = await self.member.client.get(self.address)
        return response.json() if response.status_code == 200 else None

    async def run(self, paths=None):
        """Publish ``paths``, when they are given, ask for a run and take it; how the schedule is then."""
        if paths is not None:
            self.sofa.publish(paths)
        assert (await self.member.client.post(f"{self.address}/run")).status_code == 202
        assert await self.resyncer.run_due() is True
        return await self.shown()

    async def set(self, **values):
        async with self.database.transaction(self.member.tenant_id) as session:
            await session.execute(update(SyncSchedule).values(**values))

    async def row(self):
        (row,) = await rows(self.database, self.member, SyncSchedule)
        return row

    async def told(self, kind):
        events = [row for row in await rows(self.database, self.member, Event) if row.type == kind]
        records = [row for row in await rows(self.database, self.member, AuditRecord) if row.action == kind]
        assert [(row.actor_type, row.actor_id) for row in (*events, *records)] == [
            ("worker", "sync_schedules")
        ] * (2 * len(events))
        return events

    async def everything(self):
        """All that a run may write, but for the schedule itself."""
        return [
            (type(row).__name__, row.id, getattr(row, "version", None))
            for model in (Handler, OpenApiDocument, AuditRecord, Event)
            for row in await rows(self.database, self.member, model)
            if not getattr(row, "action", "").startswith("sync_schedule")
        ]


@pytest.fixture
async def schedule(resources, resyncer, acme, sofa):
    made = Schedule(resources, resyncer, acme, sofa)
    await made.put()
    return made


def held(shown):
    return {
        one["name"]: (one["action"], {each["kind"] for each in one["differences"]}) for one in shown["held"]
    }


PASSED = text("now() - interval '1 second'")


class TestADueSchedule:
    async def test_is_run_as_a_sync_would(self, schedule, sofa):
        sofa.publish(PETS)
        assert await schedule.resyncer.run_due() is True

        shown = await schedule.shown()
        assert {*await sofa.handlers()} == {"list-pets"}
        assert (shown["lastOutcome"], shown["lastError"], shown["consecutiveFailures"]) == (
            "applied",
            None,
            0,
        )
        assert shown["lastRunAt"]
        (event,) = await schedule.told("integration.handlers_synced")
        assert UUID(event.correlation_id)

    async def test_is_due_again_after_its_interval(self, schedule, sofa):
        sofa.publish(PETS)
        await schedule.resyncer.run_due()

        assert await schedule.resyncer.run_due() is False
        async with schedule.database.transaction(schedule.member.tenant_id) as session:
            wait = await session.scalar(select(SyncSchedule.due_at - func.clock_timestamp()))
        assert 0.89 * 86400 < wait.total_seconds() <= 1.1 * 86400

    async def test_may_name_an_address_with_a_key(self, schedule, sofa, upstream):
        await schedule.put(url=f"{upstream.url}{PATH}?key=open-sesame")
        sofa.publish(PETS)
        await schedule.resyncer.run_due()

        assert upstream.requests[-1].query == "key=open-sesame"
        assert {*await sofa.handlers()} == {"list-pets"}

    async def test_keeps_to_its_selection(self, schedule, sofa):
        await schedule.put(include={"pathPrefixes": ["/toys"]})
        sofa.publish(PETS | TOYS)
        await schedule.resyncer.run_due()
        assert {*await sofa.handlers()} == {"list-toys"}

    async def test_is_not_run_while_disabled(self, schedule, sofa):
        await schedule.put(enabled=False)
        assert await schedule.resyncer.run_due() is False

    @pytest.mark.parametrize(
        ("model", "off", "on"),
        [
            (Tenant, {"status": "suspended"}, {"status": "active"}),
            (Integration, {"enabled": False}, {"enabled": True}),
        ],
        ids=["tenant", "integration"],
    )
    async def test_waits_for_what_is_not_in_operation(self, schedule, sofa, upstream, model, off, on):
        sofa.publish(PETS)
        for values, requests in ((off, 0), (on, 1)):
            async with schedule.database.transaction(schedule.member.tenant_id) as session:
                await session.execute(update(model).values(**values))
            await schedule.resyncer.run_due()
            assert len(upstream.requests) == requests
            await schedule.set(due_at=PASSED)


class TestAnUnchangedDocument:
    async def test_writes_no_row(self, schedule):
        await schedule.run(PETS)
        before = await schedule.everything()
        shown = await schedule.run()

        assert shown["lastOutcome"] == "unchanged"
        assert await schedule.everything() == before

    async def test_is_asked_for_by_its_validators(self, schedule, sofa, upstream):
        tagged = Answer(body=document(PETS), headers={"ETag": '"1"'})
        sofa.answer(tagged, Answer(status=304))
        await schedule.run()
        shown = await schedule.run()

        assert upstream.requests[-1].headers["if-none-match"] == '"1"'
        assert shown["lastOutcome"] == "unchanged"

    async def test_is_not_read_again_while_something_is_held(self, schedule, monkeypatch):
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        before = await schedule.everything()
        monkeypatch.setattr("app.openapi_sync.service.read_document", None)
        shown = await schedule.run()

        assert (shown["lastOutcome"], {*held(shown)}) == ("held", {"list-pets"})
        assert await schedule.everything() == before


class TestAdditive:
    async def test_applies_what_breaks_nothing(self, schedule, sofa):
        await schedule.run(PETS)
        wider = {"/pets": get("listPets", parameters=[query("limit", "50"), query("sort")])}
        shown = await schedule.run(wider | TOYS)

        assert (shown["lastOutcome"], shown["held"]) == ("applied", [])
        handlers = await sofa.handlers()
        assert {*handlers} == {"list-pets", "list-toys"}
        assert handlers["list-pets"]["defaultArgs"]["limit"] == "50"

    async def test_holds_what_breaks_callers(self, schedule, sofa):
        await schedule.run(PETS)
        before = (await sofa.handlers())["list-pets"]
        shown = await schedule.run(BREAKING | TOYS)

        handlers = await sofa.handlers()
        assert handlers["list-pets"] == before
        assert "list-toys" in handlers
        assert shown["lastOutcome"] == "held"
        (one,) = shown["held"]
        assert (one["id"], one["name"], one["method"], one["path"]) == (
            before["id"],
            "list-pets",
            "GET",
            "/pets",
        )
        assert [(each["kind"], each["where"], each["breaking"]) for each in one["differences"]] == [
            ("required_input_added", "query/kind", True)
        ]

    async def test_holds_what_breaks_callers_and_is_in_no_row(self, schedule, sofa):
        """What a body may be is the document's to say."""

        def pets(kind):
            schema = {"type": "object", "properties": {"age": {"type": kind}}}
            return {
                "/pets": {
                    "post": {
                        "operationId": "addPet",
                        "requestBody": {"content": {"application/json": {"schema": schema}}},
                    }
                }
            }

        await schedule.run(pets("string"))
        shown = await schedule.run(pets("integer"))
        assert held(shown) == {"add-pet": ("update", {"type_changed"})}

    async def test_lets_callers_go_on_as_before(self, schedule, sofa, upstream):
        """Neither is what they send held against the document that broke it, nor are they told of that."""
        client = schedule.member.client
        await schedule.run(PETS)
        tools = (await client.get(f"{sofa.address}/tools")).json()
        limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
        await schedule.run({"/pets": get("listPets", parameters=[limit])})

        call = await client.post("/handlers/list-pets/execute", json={"body": {"limit": "few"}})
        assert (call.status_code, upstream.requests[-1].query) == (200, "limit=few")
        assert (await client.get(f"{sofa.address}/tools")).json() == tools

        await sofa.sync()
        call = await client.post("/handlers/list-pets/execute", json={"body": {"limit": "few"}})
        assert call.status_code == 422
        assert (await client.get(f"{sofa.address}/tools")).json() != tools

    @pytest.mark.parametrize("on_missing", ["keep", "disable", "delete"])
    async def test_holds_what_vanished(self, schedule, sofa, on_missing):
        await schedule.put(onMissing=on_missing)
        await schedule.run(PETS | TOYS)
        before = await sofa.handlers()
        shown = await schedule.run(TOYS)

        assert await sofa.handlers() == before
        ((action, kinds),) = held(shown).values()
        assert action == {"delete": "delete"}.get(on_missing, "mark_missing")
        assert kinds == {"operation_removed"}

    async def test_holds_over_later_runs(self, schedule, sofa):
        """Though the document that broke it is the last one now, and a later one breaks nothing more."""
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        before = (await sofa.handlers())["list-pets"]
        for paths in (BREAKING, BREAKING | TOYS, BREAKING | TOYS | many(2)):
            shown = await schedule.run(paths)
            assert (shown["lastOutcome"], {*held(shown)}) == ("held", {"list-pets"})
        assert (await sofa.handlers())["list-pets"] == before
        assert len(await sofa.handlers()) == 4

    async def test_lets_go_when_the_difference_is_gone(self, schedule, sofa):
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        shown = await schedule.run(PETS)
        assert (shown["lastOutcome"], shown["held"]) == ("applied", [])

        shown = await schedule.run()
        assert shown["lastOutcome"] == "unchanged"

    async def test_lets_go_when_a_person_syncs(self, schedule, sofa):
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        result = await sofa.sync()

        assert result["updated"] == 1
        assert (await schedule.shown())["held"] == []
        shown = await schedule.run()
        assert (shown["lastOutcome"], shown["held"]) == ("unchanged", [])

    @pytest.mark.parametrize(("is_dry", "left"), [(False, 0), (True, 6)], ids=["sync", "dry run"])
    async def test_lets_go_of_a_whole_document_when_a_person_finds_the_old_one(
        self, schedule, sofa, is_dry, left
    ):
        await schedule.run(many(10))
        assert len((await schedule.run(many(4)))["held"]) == 6
        sofa.publish(many(10))

        assert (await sofa.post(dry_run=is_dry)).json()["notModified"] is True
        assert len((await schedule.shown())["held"]) == left

    async def test_lets_nothing_go_by_a_dry_run(self, schedule, sofa):
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        await sofa.post(dry_run=True)
        assert {*held(await schedule.shown())} == {"list-pets"}

    async def test_holds_on_when_the_older_document_is_not_kept_any_more(self, schedule, sofa, monkeypatch):
        monkeypatch.setattr("app.openapi_sync.repository.KEPT_DOCUMENTS", 1)
        await schedule.run(PETS)
        first = await schedule.run(BREAKING)
        second = await schedule.run(BREAKING | TOYS)
        assert second["held"] == first["held"]

    async def test_holds_as_a_whole_what_would_drop_most(self, schedule, sofa):
        await schedule.run(many(10))
        before = await schedule.everything()
        shown = await schedule.run(many(4) | TOYS)

        assert (shown["lastOutcome"], shown["lastError"]["code"]) == ("held", "too_many_missing")
        assert {name for name, (action, _) in held(shown).items() if action == "mark_missing"} == {
            f"thing-{number}" for number in range(4, 10)
        }
        assert "list-toys" not in await sofa.handlers()
        written = [kind for kind, *_ in await schedule.everything()]
        assert Counter(written) - Counter(kind for kind, *_ in before) == {"AuditRecord": 1, "Event": 1}
        assert (await schedule.run(many(10)))["held"] == []


class TestAll:
    async def test_applies_what_breaks_callers(self, schedule, sofa):
        await schedule.put(apply="all", onMissing="delete")
        await schedule.run(PETS | TOYS)
        shown = await schedule.run(BREAKING)

        assert (shown["lastOutcome"], shown["held"]) == ("applied", [])
        assert {*await sofa.handlers()} == {"list-pets"}

    async def test_holds_what_would_drop_most(self, schedule, sofa):
        await schedule.put(apply="all")
        await schedule.run(many(10))
        shown = await schedule.run(many(4))

        assert (shown["lastOutcome"], len(shown["held"])) == ("held", 6)
        assert {row["missingSince"] for row in (await sofa.handlers()).values()} == {None}

    async def test_takes_what_was_held(self, schedule, sofa):
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        await schedule.put(apply="all")
        shown = await schedule.run()
        assert (shown["lastOutcome"], shown["held"]) == ("applied", [])


class TestNone:
    async def test_only_looks_and_tells(self, schedule, sofa):
        await sofa.sync(PETS)
        await schedule.put(apply="none")
        before = await sofa.handlers()
        shown = await schedule.run(BREAKING | TOYS)

        assert await sofa.handlers() == before
        assert len(await rows(schedule.database, schedule.member, OpenApiDocument)) == 1
        assert shown["lastOutcome"] == "held"
        assert shown["lastError"] is None
        assert {name: action for name, (action, _) in held(shown).items()} == {
            "list-pets": "update",
            "list-toys": "create",
        }

    async def test_has_nothing_to_tell_of_what_is_the_same(self, schedule, sofa):
        await sofa.sync(PETS)
        await schedule.put(apply="none")
        shown = await schedule.run(BREAKING)
        assert shown["lastOutcome"] == "held"
        shown = await schedule.run(PETS)
        assert (shown["lastOutcome"], shown["held"]) == ("unchanged", [])


class TestTheEventOfHolding:
    async def test_comes_when_what_is_held_grows_or_changes(self, schedule):
        await schedule.run(PETS | TOYS)
        await schedule.run(BREAKING | TOYS)
        (first,) = await schedule.told("integration.sync_held")
        assert [one["name"] for one in first.payload["handlers"]] == ["list-pets"]
        assert first.payload["handlers"][0]["kinds"] == ["required_input_added"]

        await schedule.run(BREAKING | TOYS | many(1))
        assert len(await schedule.told("integration.sync_held")) == 1
        await schedule.run(BREAKING | many(1))
        second = (await schedule.told("integration.sync_held"))[1]
        assert ([one["name"] for one in second.payload["handlers"]], second.payload["held"]) == (
            ["list-toys"],
            2,
        )
        await schedule.run(PETS | many(1))
        assert len(await schedule.told("integration.sync_held")) == 2, "less is held, which is no news"


class TestAFailure:
    async def test_is_told_and_tried_again_soon(self, schedule, sofa):
        sofa.answer(Answer(status=503, body=b"secret of the upstream"))
        await schedule.resyncer.run_due()

        shown = await schedule.shown()
        assert (shown["lastOutcome"], shown["consecutiveFailures"]) == ("failed", 1)
        assert shown["lastError"] == {
            "code": "upstream_refused",
            "detail": "The upstream answered with a status other than success.",
            "upstreamStatus": 503,
            "line": None,
            "column": None,
        }
        async with schedule.database.transaction(schedule.member.tenant_id) as session:
            wait = await session.scalar(select(SyncSchedule.due_at - func.clock_timestamp()))
        assert 0 < wait.total_seconds() <= 66

    async def test_is_an_event_once_in_a_row(self, schedule, sofa):
        await schedule.run(PETS)
        for status in (500, 502):
            sofa.answer(Answer(status=status))
            await schedule.run()
        assert (await schedule.shown())["consecutiveFailures"] == 2
        (event,) = await schedule.told("integration.sync_failed")
        assert event.payload == {
            "name": "Sofa",
            "code": "upstream_refused",
            "detail": "The upstream answered with a status other than success.",
            "upstream_status": 500,
        }

        shown = await schedule.run(PETS)
        assert (shown["lastOutcome"], shown["lastError"], shown["consecutiveFailures"]) == (
            "unchanged",
            None,
            0,
        )
        sofa.answer(Answer(status=500))
        await schedule.run()
        assert len(await schedule.told("integration.sync_failed")) == 2

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"<html>canary</html>", "got_html_page"),
            (b"{canary: [", "document_unreadable"),
            (b"{}", "not_open_api"),
        ],
    )
    async def test_repeats_nothing_of_what_was_fetched(self, schedule, sofa, body, code):
        sofa.answer(Answer(body=body))
        shown = await schedule.run()
        assert shown["lastError"]["code"] == code
        assert "canary" not in str(shown)

    async def test_may_be_that_nobody_answers(self, schedule):
        with unused_port() as port:
            await schedule.put(url=f"http://127.0.0.1:{port}/x")
            assert (await schedule.run())["lastError"]["code"] == "upstream_unreachable"

    async def test_may_be_that_it_takes_too_long(self, schedule, sofa, monkeypatch):
        monkeypatch.setattr(loops, "RUN_S", 0.0)
        sofa.publish(PETS)
        assert (await schedule.run())["lastError"]["code"] == "sync_took_too_long"

    async def test_may_be_our_own(self, schedule, sofa, monkeypatch):
        monkeypatch.setattr("app.openapi_sync.service.read_document", lambda *_, **__: 1 / 0)
        sofa.publish(PETS)
        assert (await schedule.run())["lastError"]["code"] == "app_error"

    async def test_keeps_what_is_held(self, schedule, sofa):
        await schedule.run(PETS)
        await schedule.run(BREAKING)
        sofa.answer(Answer(status=500))
        shown = await schedule.run()
        assert {*held(shown)} == {"list-pets"}


class TestClaims:
    async def test_give_each_row_to_one_of_two(self, resources, as_worker, upstream):
        for number in range(6):
            tenant, token = await join(resources, f"tenant-{number}")
            async with connect(wire(resources), token) as client:
                sofa = await Sofa.of(Member(tenant, token, client), upstream)
                await client.put(f"{sofa.address}/sync-schedule", json={"integrationName": "sofa"})

        async def claim_all():
            found = []
            while True:
                async with as_worker.transaction(None) as session:
                    claim = await claim_schedule(session, LEASE)
                if claim is None:
                    return found
                found.append(claim.id)

        one, other = await asyncio.gather(claim_all(), claim_all())
        assert len({*one, *other}) == len(one) + len(other) == 6

    async def test_take_one_of_a_tenants_schedules_at_a_time(self, schedule, acme, upstream, as_worker):
        other = await Sofa.of(acme, upstream, "Other")
        await acme.client.put(f"{other.address}/sync-schedule", json={"integrationName": "sofa"})

        async with as_worker.transaction(None) as session:
            assert await claim_schedule(session, LEASE)
        async with as_worker.transaction(None) as session:
            assert await claim_schedule(session, LEASE) is None

    async def test_come_back_when_their_lease_ends(self, schedule, as_worker, sofa):
        sofa.publish(PETS)
        async with as_worker.transaction(None) as session:
            late = await claim_schedule(session, LEASE)
        assert await schedule.resyncer.run_due() is False
        await schedule.set(leased_until=PASSED)
        assert await schedule.resyncer.run_due() is True
        assert (await schedule.shown())["lastOutcome"] == "applied"

        async with as_worker.transaction(late.tenant_id) as session:
            with pytest.raises(ClaimLost):
                await Run(late).found_unchanged(session)


class TestARunThatIsOvertaken:
    @pytest.fixture
    async def waiting(self, schedule, sofa):
        """A run whose upstream holds its answer back."""
        release = asyncio.Event()
        sofa.answer(Answer(body=document(BREAKING), release=release), Answer(body=document(PETS)))
        running = asyncio.create_task(schedule.resyncer.run_due())
        async with asyncio.timeout(10):
            await sofa.upstream.arrived.wait()

        async def end():
            release.set()
            await running

        return end

    async def test_by_another_one_writes_nothing(self, schedule, sofa, waiting):
        await schedule.set(leased_until=PASSED)
        await schedule.resyncer.run_due()
        before = await schedule.everything(), await schedule.shown()
        await waiting()
        assert (await schedule.everything(), await schedule.shown()) == before
        assert (await sofa.handlers())["list-pets"]["target"]["parameters"] != []

    @pytest.mark.parametrize("change", ["sync", "put", "delete"])
    async def test_by_a_person_writes_nothing(self, schedule, sofa, waiting, change):
        if change == "sync":
            await sofa.sync()
        elif change == "put":
            await schedule.put(intervalSeconds=300)
        else:
            await schedule.member.client.delete(schedule.address)
        before = await schedule.everything(), await schedule.shown()
        await waiting()
        assert (await schedule.everything(), await schedule.shown()) == before
        assert await schedule.resyncer.run_due() is (change != "delete"), "it follows at once"

    async def test_by_nobody_is_followed_by_one_that_was_asked_for(self, schedule, waiting):
        await schedule.member.client.post(f"{schedule.address}/run")
        assert await schedule.resyncer.run_due() is False, "it is under way"
        await waiting()
        assert (await schedule.shown())["lastOutcome"] == "applied"
        assert await schedule.resyncer.run_due() is True


class TestTheLoop:
    async def test_runs_what_is_due_until_it_is_stopped(self, schedule, sofa, upstream):
        sofa.publish(PETS)
        stop = asyncio.Event()
        running = asyncio.create_task(schedule.resyncer.run(stop))
        async with asyncio.timeout(20):
            while (await schedule.shown())["lastOutcome"] != "applied":
                await asyncio.sleep(0.01)
        stop.set()
        await running
        assert len(upstream.requests) == 1

    async def test_outlives_a_run_that_breaks_off(self, schedule, sofa, monkeypatch):
        claims = []

        async def broken(session, lease):
            claims.append(lease)
            if len(claims) == 1:
                raise OSError
            return await claim_schedule(session, lease)

        monkeypatch.setattr(loops, "claim_schedule", broken)
        monkeypatch.setattr(loops, "AT_ONCE", 1)
        sofa.publish(PETS)
        stop = asyncio.Event()
        running = asyncio.create_task(schedule.resyncer.run(stop))
        async with asyncio.timeout(20):
            while (await schedule.shown())["lastOutcome"] != "applied":
                await asyncio.sleep(0.01)
        stop.set()
        await running


class TestAnotherTenant:
    async def test_is_synced_with_its_own_rights_alone(self, resources, resyncer, schedule, sofa, upstream):
        tenant, token = await join(resources, "globex")
        async with connect(wire(resources), token) as client:
            globex = Member(tenant, token, client)
            theirs = Schedule(resources, resyncer, globex, await Sofa.of(globex, upstream))
            await theirs.put()
            sofa.publish(PETS)
            while await resyncer.run_due():
                pass
            assert {*await theirs.sofa.handlers()} == {*await sofa.handlers()} == {"list-pets"}
            ids = [(await each.handlers())["list-pets"]["id"] for each in (sofa, theirs.sofa)]
            assert ids[0] != ids[1]
