from uuid import UUID

import pytest

from tests.fixtures.app import audit_actions, event_types

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")


async def create(client, name="Telegram Bot", **fields):
    response = await client.post("/integrations", json={"name": name, **fields})
    assert response.status_code == 201, response.text
    return response.json()


class TestCreate:
    async def test_answers_with_the_row_and_where_it_is(self, client):
        response = await client.post("/integrations", json={"name": "  Telegram Bot "})

        assert response.status_code == 201
        body = response.json()
        assert body == {
            "id": body["id"],
            "name": "Telegram Bot",
            "connector": None,
            "enabled": True,
            "baseUrl": None,
            "settings": {},
            "links": {},
            "createdAt": body["createdAt"],
            "updatedAt": body["createdAt"],
        }
        assert response.headers["location"] == f"/integrations/{body['id']}"
        assert response.headers["etag"] == '"1"'

    async def test_shows_time_in_milliseconds_and_utc(self, client):
        created = await create(client)

        assert len(created["createdAt"]) == len("2026-01-01T00:00:00.000Z")
        assert created["createdAt"].endswith("Z")

    async def test_leaves_an_audit_record_and_an_event(self, client, acme, database):
        await create(client)

        assert await audit_actions(database, acme) == ["integration.created"]
        assert await event_types(database, acme) == ["integration.created"]

    async def test_refuses_a_taken_name_without_regard_to_case(self, client, acme, database):
        await create(client, "Straße")
        response = await client.post("/integrations", json={"name": "STRASSE"})

        assert response.status_code == 409
        assert response.json()["code"] == "integration_name_taken"
        assert await audit_actions(database, acme) == ["integration.created"]

    async def test_lets_two_tenants_use_one_name(self, acme, globex):
        await create(acme.client)
        await create(globex.client)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/name"),
            ({"name": "   "}, "/name"),
            ({"name": "x" * 256}, "/name"),
            ({"name": 1}, "/name"),
            ({"name": "x", "enabled": "yes"}, "/enabled"),
            ({"name": "x", "nmae": "y"}, "/nmae"),
            ({"name": "x", "baseUrl": "ftp://example.com"}, "/baseUrl"),
            ({"name": "x", "baseUrl": "https://user:pw@example.com"}, "/baseUrl"),
            ({"name": "x", "connector": "Not A Slug"}, "/connector"),
            ({"name": "x", "settings": []}, "/settings"),
        ],
    )
    async def test_names_the_field_that_is_wrong(self, client, body, pointer):
        response = await client.post("/integrations", json=body)

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]

    async def test_needs_a_token(self, anonymous):
        response = await anonymous.post("/integrations", json={"name": "x"})

        assert response.status_code == 401
        assert response.json()["code"] == "unauthenticated"


class TestList:
    async def test_walks_all_pages_by_link(self, client):
        for number in range(5):
            await create(client, f"n{number}")
        seen, address = [], "/integrations?limit=2&sort=name"
        while address:
            response = await client.get(address)
            seen += [row["name"] for row in response.json()]
            link = response.headers.get("link")
            address = link.removeprefix("<").split(">")[0] if link else None

        assert seen == ["n0", "n1", "n2", "n3", "n4"]

    async def test_sorts_newest_first_unless_told(self, client):
        await create(client, "a")
        await create(client, "b")

        assert [row["name"] for row in (await client.get("/integrations")).json()] == ["b", "a"]

    async def test_searches_literally_and_without_case(self, client):
        for name in ("100% Sure", "1000 Sure", "under_score", "underscore"):
            await create(client, name)

        async def found(text):
            response = await client.get("/integrations", params={"search": text, "sort": "name"})
            return [row["name"] for row in response.json()]

        assert await found("100% s") == ["100% Sure"]
        assert await found("R_S") == ["under_score"]
        assert await found("SURE") == ["100% Sure", "1000 Sure"]

    @pytest.mark.parametrize(
        "query", ["cursor=abc", "cursor=", "sort=color", "limit=0", "limit=201", "limit=x"]
    )
    async def test_refuses_what_it_cannot_answer(self, client, query):
        response = await client.get(f"/integrations?{query}")

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"/query/{query.split('=')[0]}"

    async def test_refuses_a_cursor_of_another_tenant_or_another_list(self, acme, globex):
        for member in (acme, globex):
            for name in ("a", "b"):
                await create(member.client, name)
        link = (await acme.client.get("/integrations?limit=1&sort=name")).headers["link"]
        address = link.removeprefix("<").split(">")[0]

        assert (await acme.client.get(address)).status_code == 200
        assert (await globex.client.get(address)).status_code == 422
        assert (await acme.client.get(address.replace("sort=name", "sort=-name"))).status_code == 422

    async def test_shows_nothing_of_another_tenant(self, acme, globex):
        await create(acme.client)

        assert (await globex.client.get("/integrations")).json() == []


class TestGet:
    async def test_gives_304_for_the_version_that_is_known(self, client):
        created = await create(client)
        response = await client.get(f"/integrations/{created['id']}", headers={"If-None-Match": '"1"'})

        assert response.status_code == 304
        assert response.content == b""

    @pytest.mark.parametrize("id", [str(UNKNOWN), "nonsense", "%00", "1" * 500])
    async def test_answers_404_for_unknown_and_malformed_ids_alike(self, client, id):
        expected = await client.get(f"/integrations/{UNKNOWN}", headers={"X-Request-Id": "same"})
        response = await client.get(f"/integrations/{id}", headers={"X-Request-Id": "same"})

        assert response.status_code == 404
        assert response.content == expected.content

    async def test_answers_404_for_another_tenants_id(self, acme, globex):
        created = await create(acme.client)
        headers = {"X-Request-Id": "same"}
        response = await globex.client.get(f"/integrations/{created['id']}", headers=headers)
        unknown = await globex.client.get(f"/integrations/{UNKNOWN}", headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content


class TestUpdate:
    async def test_changes_what_is_given_and_nothing_else(self, client, acme, database):
        created = await create(client, connector="telegram", settings={"a": 1})
        response = await client.put(f"/integrations/{created['id']}", json={"name": "Bot"})

        assert response.status_code == 200
        assert response.headers["etag"] == '"2"'
        changed = {**response.json(), "updatedAt": created["updatedAt"]}
        assert changed == {**created, "name": "Bot"}
        assert await audit_actions(database, acme) == ["integration.created", "integration.updated"]

    async def test_writes_nothing_when_nothing_changes(self, client, acme, database):
        created = await create(client)
        response = await client.put(f"/integrations/{created['id']}", json={"name": created["name"]})

        assert response.json() == created
        assert response.headers["etag"] == '"1"'
        assert await audit_actions(database, acme) == ["integration.created"]
        assert await event_types(database, acme) == ["integration.created"]

    @pytest.mark.parametrize(("old", "new"), [(1, True), (False, 0), ([0], [False]), ({"a": 1}, {"a": True})])
    async def test_tells_a_boolean_from_a_number(self, client, old, new):
        created = await create(client, settings={"value": old})
        address = f"/integrations/{created['id']}"
        await client.put(address, json={"settings": {"value": new}})

        stored = (await client.get(address)).json()["settings"]["value"]
        assert repr(stored) == repr(new)

    async def test_refuses_a_stale_version(self, client):
        created = await create(client)
        await client.put(f"/integrations/{created['id']}", json={"name": "two"})
        response = await client.put(
            f"/integrations/{created['id']}", json={"name": "three"}, headers={"If-Match": '"1"'}
        )

        assert response.status_code == 412
        assert response.headers["etag"] == '"2"'

    async def test_refuses_null_as_a_name(self, client):
        created = await create(client)
        response = await client.put(f"/integrations/{created['id']}", json={"name": None})

        assert response.status_code == 422


class TestEnableAndDisable:
    async def test_tells_once_per_change(self, client, acme, database):
        created = await create(client)
        for verb in ("disable", "disable", "enable"):
            assert (await client.post(f"/integrations/{created['id']}/{verb}")).status_code == 200

        assert await event_types(database, acme) == [
            "integration.created",
            "integration.disabled",
            "integration.enabled",
        ]


class TestDelete:
    async def test_is_gone_and_its_audit_records_stay(self, client):
        created = await create(client)
        response = await client.delete(f"/integrations/{created['id']}", headers={"If-Match": '"1"'})

        assert response.status_code == 204
        assert (await client.get(f"/integrations/{created['id']}")).status_code == 404
        records = await client.get(f"/integrations/{created['id']}/audit-logs")
        assert [record["action"] for record in records.json()] == [
            "integration.deleted",
            "integration.created",
        ]


class TestLinks:
    async def test_fills_templates_and_leaves_out_what_is_unset(self, client):
        links = {"apiDocs": "{baseUrl}/docs", "logs": "https://logs.test/?q={name}&id={id}"}
        created = await create(client, "A & B", links=links)
        response = await client.get(f"/integrations/{created['id']}/links")

        assert response.json() == [
            {"key": "logs", "label": "Logs", "url": f"https://logs.test/?q=A%20%26%20B&id={created['id']}"}
        ]


class TestIdempotencyKey:
    async def test_replays_the_first_answer(self, client, acme, database):
        headers = {"Idempotency-Key": "k1"}
        first = await client.post("/integrations", json={"name": "x"}, headers=headers)
        second = await client.post("/integrations", json={"name": "x"}, headers=headers)

        assert second.status_code == 201
        assert second.content == first.content
        assert second.headers["location"] == first.headers["location"]
        assert second.headers["idempotent-replayed"] == "true"
        assert await audit_actions(database, acme) == ["integration.created"]

    async def test_refuses_the_key_for_another_body(self, client):
        headers = {"Idempotency-Key": "k1"}
        await client.post("/integrations", json={"name": "x"}, headers=headers)
        response = await client.post("/integrations", json={"name": "y"}, headers=headers)

        assert response.status_code == 422
        assert response.json()["code"] == "idempotency_key_reused"

    async def test_is_a_tenants_own(self, acme, globex):
        headers = {"Idempotency-Key": "k1"}
        first = await acme.client.post("/integrations", json={"name": "x"}, headers=headers)
        other = await globex.client.post("/integrations", json={"name": "x"}, headers=headers)

        assert first.json()["id"] != other.json()["id"]

    async def test_forgets_a_refused_request(self, client):
        headers = {"Idempotency-Key": "k1"}
        await client.post("/integrations", json={"name": ""}, headers=headers)

        assert (await client.post("/integrations", json={"name": "x"}, headers=headers)).status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
    async def test_refuses_a_key_that_is_none(self, client, key):
        response = await client.post("/integrations", json={"name": "x"}, headers={"Idempotency-Key": key})

        assert response.status_code == 400
