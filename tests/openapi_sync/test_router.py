import os
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from app.handlers.targets import TARGET
from app.models import AuditRecord, Event, Handler, OpenApiDocument
from app.openapi_sync import service
from app.openapi_sync.reading import read_document as read
from tests.core.egress.loopback import unused_port
from tests.fixtures.app import audit_actions, connect, event_types, events_of, issue, rows
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import PATH, document, get, many, query

pytestmark = pytest.mark.anyio

SPECS = os.environ.get("JACKFIELD_SPECS")
PETS = {
    "/pets": {**get("listPets", parameters=[query("limit", "20")]), "post": {"operationId": "addPet"}},
    "/pets/{petId}": get("showPet", parameters=[{"name": "petId", "in": "path", "required": True}]),
}


async def everything(database, member):
    """All that a sync may write."""
    return [
        (
            type(row).__name__,
            row.id,
            getattr(row, "updated_at", row.created_at),
            getattr(row, "settled", None),
        )
        for model in (Handler, OpenApiDocument, AuditRecord, Event)
        for row in await rows(database, member, model)
    ]


class TestSync:
    async def test_makes_a_handler_of_each_operation(self, sofa):
        result = await sofa.sync(PETS)

        assert result == {
            "created": 3,
            "updated": 0,
            "unchanged": 0,
            "missing": 0,
            "restored": 0,
            "deleted": 0,
            "degraded": 0,
            "unselected": 0,
            "skipped": [],
            "warnings": [],
            "possibleRenames": [],
            "documentHash": result["documentHash"],
            "notModified": False,
            "dryRun": False,
        }
        handlers = await sofa.handlers()
        assert sorted(handlers) == ["add-pet", "list-pets", "show-pet"]
        row = handlers["list-pets"]
        assert row["source"] == "openapi"
        assert row["mode"] == "async"
        assert row["defaultArgs"] == {"limit": "20"}
        assert row["target"]["method"] == "GET"
        assert row["target"]["path"] == "/pets"

    async def test_asks_below_the_base_url_and_sends_no_credentials(self, sofa):
        await sofa.sync(PETS)

        [asked] = sofa.upstream.requests
        assert (asked.method, asked.path) == ("GET", PATH)
        assert not asked.headers.keys() & {"authorization", "cookie", "if-none-match"}

    async def test_records_and_publishes_each_handler_and_the_sync(self, sofa, acme, database):
        await sofa.sync(PETS)

        actions = await audit_actions(database, acme)
        assert Counter(actions[1:]) == {"handler.created": 3, "integration.handlers_synced": 1}
        assert Counter((await event_types(database, acme))[1:]) == {
            "tool.created": 3,
            "integration.handlers_synced": 1,
            "tools.list_updated": 1,
        }
        event = (await events_of(database, acme, "integration"))[-1]
        assert event.payload["created"] == 3
        assert event.payload["source"] == f"{sofa.upstream.url}{PATH}"

    async def test_writes_no_row_for_an_unchanged_document(self, sofa, acme, database):
        await sofa.sync(PETS)
        before = await everything(database, acme)
        result = await sofa.sync()

        assert (result["created"], result["updated"], result["unchanged"]) == (0, 0, 3)
        assert result["notModified"] is True
        assert await everything(database, acme) == before

    async def test_fetches_only_what_changed(self, sofa, acme, database):
        validators = {"ETag": '"v1"', "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT"}
        sofa.answer(Answer(body=document(PETS), headers=validators), Answer(304))
        first = await sofa.sync()
        before = await everything(database, acme)
        second = await sofa.sync()

        asked = sofa.upstream.requests[1].headers
        assert asked["if-none-match"] == '"v1"'
        assert asked["if-modified-since"] == "Sat, 01 Aug 2026 10:00:00 GMT"
        assert second["notModified"] is True
        assert (second["unchanged"], second["documentHash"]) == (3, first["documentHash"])
        assert await everything(database, acme) == before

    @pytest.mark.parametrize("status", [200, 304])
    async def test_reads_a_document_once(self, sofa, monkeypatch, status):
        body = document({**PETS, "/odd": {"get": 7}})
        again = Answer(304) if status == 304 else Answer(body=body)
        sofa.answer(Answer(body=body, headers={"ETag": '"v1"'}), again)
        first = await sofa.sync()
        monkeypatch.setattr(service, "read_document", None)
        monkeypatch.setattr(service, "read_again", None)
        second = await sofa.sync()
        planned = await sofa.sync(dry_run=True)

        assert second == {**first, "created": 0, "unchanged": 3, "notModified": True}
        assert planned == {**second, "dryRun": True, "handlers": [], "differences": []}

    async def test_reads_it_again_once_a_handler_has_changed(self, sofa, monkeypatch):
        await sofa.sync(PETS)
        await sofa.edit("list-pets", enabled=False)
        edited = await sofa.sync()
        monkeypatch.setattr(service, "read_document", None)
        settled = await sofa.sync()

        assert (edited["updated"], edited["unchanged"]) == (0, 3)
        assert settled == edited

    async def test_reads_it_again_with_another_reader(self, sofa, monkeypatch):
        await sofa.sync(PETS)
        read_again = []
        monkeypatch.setattr(service, "reader", lambda: "another")
        monkeypatch.setattr(
            service, "read_document", lambda *given, **options: read_again.append(1) or read(*given)
        )
        result = await sofa.sync()
        assert (result["unchanged"], len(read_again)) == (3, 1)

    async def test_makes_a_deleted_handler_again(self, sofa):
        await sofa.sync(PETS)
        id = (await sofa.handlers())["list-pets"]["id"]
        await sofa.client.delete(f"{sofa.address}/handlers/{id}")
        result = await sofa.sync()

        assert (result["created"], result["unchanged"], result["notModified"]) == (1, 2, True)

    async def test_reads_a_document_again_that_another_one_had_replaced(self, sofa):
        await sofa.sync(PETS)
        await sofa.sync({**PETS, "/stores": get("listStores")})
        result = await sofa.sync(PETS)
        assert (result["unchanged"], result["missing"]) == (3, 1)

    async def test_applies_another_selection_to_an_unchanged_document(self, sofa):
        sofa.answer(Answer(body=document(PETS), headers={"ETag": '"v1"'}), Answer(304))
        first = await sofa.sync(include={"methods": ["post"]})
        second = await sofa.sync()

        assert (first["created"], first["unselected"]) == (1, 2)
        assert (second["created"], second["unchanged"], second["notModified"]) == (2, 1, True)

    async def test_selects_by_tag_path_and_method(self, sofa):
        paths = {
            "/pets": {**get("listPets", tags=["pets"]), "post": {"operationId": "addPet", "tags": ["pets"]}},
            "/pets/old": get("oldPets", tags=["pets"]),
            "/stores": get("listStores", tags=["stores"]),
        }
        await sofa.sync(paths, include={"tags": ["pets"]}, exclude={"pathPrefixes": ["/pets/old"]})

        assert sorted(await sofa.handlers()) == ["add-pet", "list-pets"]

    async def test_keeps_handlers_that_are_no_longer_selected(self, sofa):
        await sofa.sync(PETS)
        result = await sofa.sync(exclude={"methods": ["GET"]})

        assert (result["missing"], result["unchanged"], result["unselected"]) == (0, 3, 2)

    async def test_gives_a_taken_name_digits(self, sofa):
        await sofa.client.post(f"{sofa.address}/handlers", json={"name": "list-pets"})
        result = await sofa.sync({"/pets": get("listPets")})

        assert result["created"] == 1
        [synced] = [row for row in (await sofa.handlers()).values() if row["source"] == "openapi"]
        assert synced["name"].startswith("list-pets-")
        assert len(synced["name"]) == len("list-pets-") + 8

    async def test_lets_two_integrations_have_the_same_operations(self, sofa, acme, upstream):
        other = await type(sofa).of(acme, upstream, "Other")
        await sofa.sync(PETS)
        result = await other.sync()

        assert result["created"] == 3
        assert not (await sofa.handlers()).keys() & (await other.handlers()).keys()

    async def test_makes_store_handlers_of_webhooks(self, sofa):
        sofa.publish(webhooks={"petBorn": {"put": {"operationId": "petBorn"}}})
        await sofa.sync()

        row = (await sofa.handlers())["pet-born"]
        assert row["target"] == {"kind": "store"}
        assert row["methods"] == ["PUT"]
        assert row["verification"]["scheme"] == "none"

    async def test_says_what_it_left_out_and_why(self, sofa):
        result = await sofa.sync({"/health": get("health"), "/pets": get("listPets")})

        assert result["created"] == 1
        [skipped] = result["skipped"]
        assert skipped.keys() == {"method", "path", "reason"}
        assert skipped["path"] == "/health"

    async def test_reads_yaml(self, sofa):
        sofa.answer(Answer(body=b"openapi: 3.0.0\npaths:\n  /pets:\n    get:\n      operationId: listPets\n"))
        result = await sofa.sync()

        assert result["created"] == 1

    async def test_reads_broken_json_and_points_at_the_oddity(self, sofa):
        sofa.answer(Answer(body=document(PETS)[:-1] + b",}"))
        result = await sofa.sync()

        assert result["created"] == 3
        assert result["warnings"][0].keys() == {"pointer", "message"}

    async def test_takes_an_address(self, sofa):
        sofa.publish(PETS)
        result = await sofa.sync(url=f"{sofa.upstream.url}{PATH}?key=s3cret#top")

        assert result["created"] == 3
        assert sofa.upstream.requests[0].query == "key=s3cret"

    async def test_keeps_no_query_of_an_address(self, sofa, acme, database):
        sofa.publish(PETS)
        await sofa.sync(url=f"{sofa.upstream.url}{PATH}?key=s3cret")

        [kept] = await rows(database, acme, OpenApiDocument)
        told = [row.changes for row in await rows(database, acme, AuditRecord)]
        events = [row.payload for row in await rows(database, acme, Event)]
        assert "s3cret" not in f"{kept.source} {told} {events}"


class TestResync:
    async def test_refreshes_what_the_document_says(self, sofa, acme, database):
        await sofa.sync({"/pets": get("listPets", summary="Pets", parameters=[query("limit", "20")])})
        changed = get("listPets", summary="All pets", parameters=[query("limit", "50"), query("sort")])
        result = await sofa.sync({"/pets": changed})

        assert (result["created"], result["updated"]) == (0, 1)
        row = (await sofa.handlers())["list-pets"]
        assert row["summary"] == "All pets"
        assert row["defaultArgs"] == {"limit": "50"}
        assert [parameter["name"] for parameter in row["target"]["parameters"]] == ["limit", "sort"]
        record = (await rows(database, acme, AuditRecord))[-2]
        assert record.action == "handler.updated"
        assert record.changes["summary"] == {"before": "Pets", "after": "All pets"}
        assert "baseline_args" not in record.changes

    async def test_keeps_what_a_person_edited(self, sofa):
        await sofa.sync({"/pets": get("listPets", parameters=[query("limit", "20"), query("sort", "name")])})
        await sofa.edit("list-pets", name="my-pets", defaultArgs={"limit": "7", "sort": "name", "mine": 1})
        await sofa.sync({"/pets": get("listPets", parameters=[query("limit", "50"), query("sort", "age")])})

        [row] = (await sofa.handlers()).values()
        assert row["name"] == "my-pets"
        assert row["defaultArgs"] == {"limit": "7", "sort": "age", "mine": 1}

    async def test_keeps_the_summary_that_a_person_wrote(self, sofa):
        await sofa.sync({"/pets": get("listPets", summary="Pets")})
        await sofa.edit("list-pets", summary="Our pets")
        await sofa.sync({"/pets": get("listPets", summary="All pets")})

        row = (await sofa.handlers())["list-pets"]
        assert row["summary"] == "Our pets"
        assert row["target"]["summary"] == "All pets"

    @pytest.mark.parametrize("number", [1e22, 1e23, 1.5e300, -1e23, 1e-7, 0.1, 1.0, 2**63 - 1])
    async def test_knows_a_number_again_however_the_database_writes_it(self, sofa, number):
        paths = {"/a": get("a", parameters=[query("x", number), query("nested", {"in": [number, None]})])}
        await sofa.sync(paths)

        assert (await sofa.sync(paths))["updated"] == 0

    async def test_lists_arguments_whose_parameter_vanished(self, sofa):
        await sofa.sync({"/pets": get("listPets", parameters=[query("limit", "20")])})
        await sofa.edit("list-pets", defaultArgs={"limit": "7"})
        await sofa.sync({"/pets": get("listPets")})

        row = (await sofa.handlers())["list-pets"]
        assert row["defaultArgs"] == {"limit": "7"}
        assert row["orphanedArgs"] == ["limit"]

    async def test_gives_the_row_a_new_version(self, sofa):
        await sofa.sync({"/pets": get("listPets")})
        id = (await sofa.handlers())["list-pets"]["id"]
        await sofa.sync({"/pets": get("listPets", summary="Pets")})
        response = await sofa.client.put(
            f"{sofa.address}/handlers/{id}", json={"enabled": False}, headers={"If-Match": '"1"'}
        )

        assert response.status_code == 412

    async def test_keeps_the_name_when_the_operation_moves(self, sofa):
        await sofa.sync({"/pets": get("listPets")})
        result = await sofa.sync({"/v2/pets": get("listPets")})

        assert (result["updated"], result["created"], result["missing"]) == (1, 0, 0)
        assert (await sofa.handlers())["list-pets"]["target"]["path"] == "/v2/pets"

    async def test_keeps_the_last_twenty_documents(self, sofa, acme, database):
        hashes = [(await sofa.sync(many(count)))["documentHash"] for count in range(1, 23)]

        kept = await rows(database, acme, OpenApiDocument)
        assert [row.content_hash for row in kept] == hashes[2:]

    async def test_keeps_a_document_that_came_back(self, sofa, acme, database):
        for paths in ({"/a": get("a")}, {"/a": get("b")}, {"/a": get("a")}):
            await sofa.sync(paths)

        kept = [row.content_hash for row in await rows(database, acme, OpenApiDocument)]
        assert (len(kept), kept[0] == kept[2]) == (3, True)


class TestMissing:
    async def test_marks_the_handler_and_warns(self, sofa):
        await sofa.sync(PETS)
        sofa.publish({"/pets": PETS["/pets"]})
        response = await sofa.post()

        assert response.json()["missing"] == 1
        assert response.headers["warning"] == '299 - "handlers without an operation in the document: 1"'
        row = (await sofa.handlers())["show-pet"]
        assert row["missingSince"].endswith("Z")
        assert row["enabled"] is True

    async def test_stays_marked_without_another_write(self, sofa, acme, database):
        await sofa.sync(PETS)
        await sofa.sync({"/pets": PETS["/pets"]})
        before = await everything(database, acme)
        result = await sofa.sync()

        assert (result["missing"], result["unchanged"]) == (1, 2)
        assert await everything(database, acme) == before

    async def test_is_unmarked_when_the_operation_is_back(self, sofa):
        await sofa.sync(PETS)
        await sofa.sync({"/pets": PETS["/pets"]})
        result = await sofa.sync(PETS)

        assert (result["restored"], result["updated"], result["missing"]) == (1, 1, 0)
        assert (await sofa.handlers())["show-pet"]["missingSince"] is None

    async def test_is_disabled_on_request(self, sofa):
        await sofa.sync(PETS)
        await sofa.sync({"/pets": PETS["/pets"]}, onMissing="disable")

        row = (await sofa.handlers())["show-pet"]
        assert row["enabled"] is False
        assert row["missingSince"] is not None

    async def test_is_deleted_on_request(self, sofa, acme, database):
        await sofa.sync(PETS)
        result = await sofa.sync({"/pets": PETS["/pets"]}, onMissing="delete")

        assert (result["missing"], result["deleted"]) == (1, 1)
        assert sorted(await sofa.handlers()) == ["add-pet", "list-pets"]
        assert "handler.deleted" in await audit_actions(database, acme)

    async def test_is_deleted_later_when_it_was_kept_first(self, sofa):
        await sofa.sync(PETS)
        await sofa.sync({"/pets": PETS["/pets"]})
        await sofa.sync(onMissing="delete")

        assert "show-pet" not in await sofa.handlers()

    async def test_suspects_a_document_that_lacks_most_operations(self, sofa, acme, database):
        await sofa.sync(many(10))
        before = await everything(database, acme)
        sofa.publish(many(4))
        response = await sofa.post()

        assert response.status_code == 409
        assert response.json()["code"] == "too_many_missing"
        assert await everything(database, acme) == before
        assert (await sofa.sync(force=True))["missing"] == 6

    async def test_names_operations_that_may_be_the_missing_one(self, sofa):
        paths = {"/pets": get("pets"), "/stores": get("stores")}
        await sofa.sync(paths)
        result = await sofa.sync({"/v2/pets": get("pets"), "/v3/pets": get("pets"), "/stores": get("stores")})

        [rename] = result["possibleRenames"]
        assert rename["name"] == "pets"
        assert {candidate["path"] for candidate in rename["candidates"]} == {"/v2/pets", "/v3/pets"}


class TestDryRun:
    async def test_answers_with_the_plan_and_writes_nothing(self, sofa, acme, database):
        await sofa.sync(PETS)
        before = await everything(database, acme)
        sofa.publish({"/pets": get("listPets", summary="Pets", parameters=[query("limit", "20")])})
        result = await sofa.sync(dry_run=True)

        assert result["dryRun"] is True
        assert (result["updated"], result["missing"]) == (1, 2)
        planned = {entry["name"]: entry for entry in result["handlers"]}
        assert planned["list-pets"]["action"] == "update"
        assert planned["list-pets"]["changes"]["summary"] == {"before": None, "after": "Pets"}
        assert planned["show-pet"]["action"] == "mark_missing"
        assert planned["show-pet"]["changes"].keys() == {"missingSince"}
        assert await everything(database, acme) == before

    async def test_tells_what_would_break_callers(self, sofa):
        await sofa.sync(PETS)
        required = {**query("owner"), "required": True}
        listed = {
            "/pets": {**get("listPets", parameters=[query("limit"), required]), "post": PETS["/pets"]["post"]}
        }
        result = await sofa.sync(listed, dry_run=True)

        assert [
            (one["kind"], one["path"], one["where"], one["breaking"]) for one in result["differences"]
        ] == [
            ("required_input_added", "/pets", "query/owner", True),
            ("operation_removed", "/pets/{petId}", "", True),
        ]
        assert {one["name"]: one["breaking"] for one in result["handlers"]} == {
            "list-pets": True,
            "show-pet": True,
        }
        assert "differences" not in await sofa.sync()

    async def test_names_the_handlers_it_would_make(self, sofa):
        result = await sofa.sync(PETS, dry_run=True)

        made = [(entry["action"], entry["id"], entry["name"]) for entry in result["handlers"]]
        assert made == [("create", None, name) for name in ("add-pet", "list-pets", "show-pet")]
        assert await sofa.handlers() == {}


class TestRefusal:
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"integrationName": "a/b"}, "/integrationName"),
            ({"integrationName": ".."}, "/integrationName"),
            ({"integrationName": "a..b"}, "/integrationName"),
            ({"integrationName": "https://example.com"}, "/integrationName"),
            ({"integrationName": "a%2Fb"}, "/integrationName"),
            ({"integrationName": "sofa\n"}, "/integrationName"),
            ({"integrationName": ""}, "/integrationName"),
            ({"integrationName": "x" * 65}, "/integrationName"),
            ({"integrationName": None}, ""),
            ({"integrationName": "sofa", "url": "https://example.com/a"}, ""),
            ({"integrationName": "sofa", "baseUrl": "https://example.com"}, "/baseUrl"),
            ({"integrationName": "sofa", "onMissing": "panic"}, "/onMissing"),
            ({"integrationName": "sofa", "include": {"methods": ["FETCH"]}}, "/include/methods/0"),
        ],
    )
    async def test_points_at_the_field_and_asks_nobody(self, sofa, body, pointer):
        response = await sofa.post(**body)

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]
        assert sofa.upstream.requests == []

    async def test_needs_a_base_url(self, client):
        created = await client.post("/integrations", json={"name": "Bare"})
        response = await client.post(
            f"{created.headers['location']}/sync-handlers", json={"integrationName": "x"}
        )

        assert response.status_code == 422
        assert response.json()["code"] == "base_url_missing"

    @pytest.mark.parametrize("url", ["/openapi.json", "ftp://example.com/a", "http://10.0.0.1/openapi.json"])
    async def test_goes_nowhere_that_is_not_allowed(self, sofa, url):
        response = await sofa.post(url=url)

        assert response.status_code == 422
        assert response.json()["code"] == "egress_refused"

    @pytest.mark.parametrize("status", [404, 500, 503])
    async def test_shows_the_status_of_the_upstream(self, sofa, status):
        sofa.answer(Answer(status))
        response = await sofa.post()

        assert response.status_code == 502
        assert response.json()["upstreamStatus"] == status

    async def test_says_that_nobody_answered(self, sofa):
        with unused_port() as port:
            response = await sofa.post(url=f"http://127.0.0.1:{port}/openapi.json")

        assert response.status_code == 502
        assert response.json()["upstreamStatus"] is None

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"<!doctype html><title>Sign in</title>", "got_html_page"),
            (b'{"openapi": "3.0.0", "paths": [', "document_unreadable"),
            (b'{"hello": "world"}', "not_open_api"),
            (b"", "not_open_api"),
        ],
    )
    async def test_refuses_what_is_no_document_and_changes_nothing(self, sofa, acme, database, body, code):
        await sofa.sync(PETS)
        before = await everything(database, acme)
        sofa.answer(Answer(body=body))
        response = await sofa.post()

        assert response.status_code == 422
        assert response.json()["code"] == code
        assert await everything(database, acme) == before

    async def test_does_not_know_another_tenants_integration(self, sofa, globex):
        headers = {"X-Request-Id": "same"}
        body = {"integrationName": "sofa"}
        addresses = (sofa.address, f"/integrations/{uuid4()}", "/integrations/nonsense")
        answers = [
            await globex.client.post(f"{address}/sync-handlers", json=body, headers=headers)
            for address in addresses
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert sofa.upstream.requests == []

    async def test_needs_the_scope(self, sofa, acme, api, resources):
        token = await issue(resources, acme.tenant, ("handlers:read",))
        async with connect(api, token) as reader:
            response = await reader.post(f"{sofa.address}/sync-handlers", json={"integrationName": "sofa"})

        assert response.status_code == 403


class TestLimit:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"document_limit": 1024})

    async def test_refuses_a_document_beyond_it(self, sofa):
        sofa.publish(many(100))
        response = await sofa.post()

        assert response.status_code == 413

    async def test_counts_for_uploads_too(self, sofa):
        response = await sofa.client.post(
            f"{sofa.address}/sync-handlers/document",
            content=document(many(100)),
            headers={"Content-Type": "application/json"},
        )

        assert response.status_code == 413


@pytest.mark.skipif(SPECS is None, reason="JACKFIELD_SPECS names no folder with real API descriptions")
class TestRealDocument:
    @pytest.fixture
    def github(self):
        return Path(SPECS, "github-api.json").read_bytes()

    async def test_syncs_all_of_github_and_then_nothing(self, sofa, github, acme, database):
        sofa.answer(Answer(body=github))
        first = await sofa.sync()
        second = await sofa.sync()

        assert (first["created"], first["updated"]) == (1223, 0)
        assert (second["created"], second["updated"], second["unchanged"]) == (0, 0, 1223)
        handlers = await rows(database, acme, Handler)
        assert len({row.name for row in handlers}) == 1223
        for row in handlers:
            TARGET.validate_python(row.target)
