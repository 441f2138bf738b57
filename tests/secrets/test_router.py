import re
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.models import AuditRecord, Event, Secret
from tests.fixtures.app import add_integration, audit_actions, connect, event_types, issue, rows

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")
PLAINTEXT = "correct-horse-battery-staple"
SEALED = re.compile(r"jfs1\.[A-Za-z0-9_-]{100,}")


@pytest.fixture
async def secrets(client):
    """The address of an integration's secrets."""
    return await secrets_of(client)


async def secrets_of(client, name="Telegram"):
    return f"{await add_integration(client, name)}/secrets"


async def create(client, secrets, key="BOT_TOKEN", value=PLAINTEXT):
    response = await client.post(secrets, json={"key": key, "value": value})
    assert response.status_code == 201, response.text
    return response.json()


class TestCreate:
    async def test_answers_with_the_sealed_form_and_where_it_is(self, client, secrets):
        response = await client.post(secrets, json={"key": "BOT_TOKEN", "value": PLAINTEXT})

        assert response.status_code == 201
        body = response.json()
        assert body == {
            "id": body["id"],
            "integrationId": secrets.split("/")[2],
            "key": "BOT_TOKEN",
            "value": body["value"],
            "createdAt": body["createdAt"],
            "updatedAt": body["createdAt"],
        }
        assert SEALED.fullmatch(body["value"])
        assert response.headers["location"] == f"{secrets}/{body['id']}"
        assert response.headers["etag"] == '"1"'

    async def test_seals_one_value_differently_each_time(self, client, secrets):
        first = await create(client, secrets, "A")
        second = await create(client, secrets, "B")

        assert first["value"] != second["value"]

    async def test_records_the_key_and_never_the_value(self, client, secrets, acme, database):
        created = await create(client, secrets)

        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.resource_id, record.resource_name) == (
            "secret.created",
            created["id"],
            "BOT_TOKEN",
        )
        assert record.integration_id == UUID(secrets.split("/")[2])
        assert record.changes == {"value": {"before": "[redacted]", "after": "[redacted]"}}
        event = (await rows(database, acme, Event))[-1]
        assert (event.type, event.sequence) == ("secret.created", 1)
        assert event.payload == {"key": "BOT_TOKEN", "integration_id": secrets.split("/")[2]}

    async def test_refuses_a_taken_key(self, client, secrets, acme, database):
        await create(client, secrets)
        response = await client.post(secrets, json={"key": "BOT_TOKEN", "value": "other"})

        assert response.status_code == 409
        assert response.json()["code"] == "secret_key_taken"
        assert await audit_actions(database, acme) == ["integration.created", "secret.created"]

    async def test_lets_two_integrations_use_one_key_and_two_spellings_be_two_keys(self, client, secrets):
        await create(client, secrets)
        await create(client, secrets, "bot_token")
        await create(client, await secrets_of(client, "Other"))

    @pytest.mark.parametrize("key", ["A", "_", "a.b-c_9", "K" * 128])
    async def test_takes_keys_that_templates_can_name(self, client, secrets, key):
        assert (await create(client, secrets, key))["key"] == key

    @pytest.mark.parametrize(
        "key", ["", "1A", ".a", "-a", "a b", "a/b", "ä", "K" * 129, "A\n", "{{x}}", None, 5]
    )
    async def test_refuses_a_key_that_is_none(self, client, secrets, key):
        response = await client.post(secrets, json={"key": key, "value": PLAINTEXT})

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/key"]
        assert PLAINTEXT not in response.text

    @pytest.mark.parametrize("value", ["x", " ", "\n", "ä" * 32768, "x" * 65536, "𝄞" * 16384])
    async def test_takes_values_of_one_byte_to_64_kibibytes(self, client, secrets, value):
        created = await create(client, secrets, value=value)

        response = await client.put(f"{secrets}/{created['id']}", json={"value": value})
        assert response.json() == created

    @pytest.mark.parametrize(
        "value", ["", "x" * 65537, "ä" * 32769, "x" + "𝄞" * 16384, None, 7, True, ["x"], {"a": "b"}]
    )
    async def test_refuses_other_values_without_repeating_them(self, client, secrets, value):
        response = await client.post(secrets, json={"key": "A", "value": value})

        assert response.status_code == 422
        assert response.json()["errors"] == [
            {"pointer": "/value", "message": "Must be a text of 1 to 65536 bytes in UTF-8."}
        ]

    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (b'{"key": "A", "value": "s3cret\\u0000"}', 422),
            (b'{"key": "A", "value": "s3cret\\ud800"}', 422),
            (b'{"key": "A", "value": "s3cret\xff"}', 400),
            (b'{"key": "A", "value": "s3cret", "value": "s3cret2"}', 400),
            (b'{"key": "A", "value": "s3cret"', 400),
            (b'{"key": "A", "value": "s3cret", "extra": "s3cret"}', 422),
        ],
    )
    async def test_repeats_nothing_of_a_body_that_it_refuses(self, client, secrets, raw, status):
        response = await client.post(secrets, content=raw, headers={"Content-Type": "application/json"})

        assert response.status_code == status
        assert "s3cret" not in response.text
        assert (await client.get(secrets)).json() == []

    @pytest.mark.parametrize("id", [str(UNKNOWN), "nonsense"])
    async def test_answers_404_for_an_integration_that_is_not_there(self, client, id):
        response = await client.post(f"/integrations/{id}/secrets", json={"key": "A", "value": "x"})

        assert response.status_code == 404
        assert response.json()["code"] == "not_found"

    async def test_answers_404_for_another_tenants_integration(self, acme, globex):
        headers = {"X-Request-Id": "same"}
        body = {"key": "A", "value": "x"}
        theirs = await globex.client.post(await secrets_of(acme.client), json=body, headers=headers)
        unknown = await globex.client.post(f"/integrations/{UNKNOWN}/secrets", json=body, headers=headers)

        assert theirs.status_code == 404
        assert theirs.content == unknown.content

    async def test_replays_the_first_answer_for_an_idempotency_key(self, client, secrets):
        headers = {"Idempotency-Key": "k1"}
        body = {"key": "A", "value": PLAINTEXT}
        first = await client.post(secrets, json=body, headers=headers)
        second = await client.post(secrets, json=body, headers=headers)

        assert second.content == first.content
        assert len((await client.get(secrets)).json()) == 1


class TestPlaintext:
    async def test_is_in_no_answer_no_audit_record_and_no_event(self, client, secrets, acme, database):
        created = await create(client, secrets)
        address = f"{secrets}/{created['id']}"
        answers = [
            await client.get(secrets),
            await client.get(address),
            await client.put(address, json={"value": PLAINTEXT}),
            await client.put(address, json={"value": PLAINTEXT + "2"}),
            await client.put(address, json={"value": PLAINTEXT}, headers={"If-Match": '"1"'}),
            await client.post(secrets, json={"key": "BOT_TOKEN", "value": PLAINTEXT}),
            await client.post(secrets, json={"key": PLAINTEXT + "!", "value": PLAINTEXT}),
            await client.delete(address),
            await client.get("/audit-logs"),
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 412, 409, 422, 204, 200]
        assert not [answer.text for answer in answers if PLAINTEXT in answer.text]
        kept = [*await rows(database, acme, AuditRecord), *await rows(database, acme, Event)]
        assert not [row for row in kept if PLAINTEXT in repr(vars(row))]

    async def test_is_not_in_the_database(self, client, secrets, acme, database):
        await create(client, secrets)

        (row,) = await rows(database, acme, Secret)
        assert PLAINTEXT.encode() not in row.sealed
        assert len(row.sealed) == len(PLAINTEXT) + 74

    async def test_is_not_opened_for_a_value_that_was_moved_to_another_row(
        self, client, secrets, acme, database
    ):
        created = await create(client, secrets, "A", "first")
        other = await create(client, secrets, "B", "second")
        async with database.transaction(acme.tenant_id) as session:
            moved = select(Secret.sealed).where(Secret.id == UUID(created["id"])).scalar_subquery()
            await session.execute(update(Secret).where(Secret.id == UUID(other["id"])).values(sealed=moved))
        response = await client.put(f"{secrets}/{other['id']}", json={"value": "first"})

        assert response.status_code == 503
        assert response.json()["code"] == "key_unavailable"


class TestList:
    async def test_shows_the_sealed_forms_of_one_integration(self, client, secrets):
        created = [await create(client, secrets, key) for key in ("B", "A")]
        await create(client, await secrets_of(client, "Other"), "C")
        response = await client.get(f"{secrets}?sort=key")

        assert response.json() == created[::-1]

    async def test_walks_all_pages_by_link(self, client, secrets):
        for number in range(3):
            await create(client, secrets, f"K{number}")
        seen, address = [], f"{secrets}?limit=2&sort=-key"
        while address:
            response = await client.get(address)
            seen += [row["key"] for row in response.json()]
            link = response.headers.get("link")
            address = link.removeprefix("<").split(">")[0] if link else None

        assert seen == ["K2", "K1", "K0"]

    async def test_refuses_a_cursor_of_another_integrations_list(self, client, secrets):
        other = await secrets_of(client, "Other")
        for key in ("A", "B"):
            await create(client, secrets, key)
        link = (await client.get(f"{secrets}?limit=1")).headers["link"]
        cursor = link.split("cursor=")[1].split(">")[0]
        response = await client.get(f"{other}?limit=1&cursor={cursor}")

        assert response.status_code == 422

    async def test_cannot_be_sorted_by_value(self, client, secrets):
        assert (await client.get(f"{secrets}?sort=value")).status_code == 422

    async def test_answers_404_for_an_integration_that_is_not_there(self, acme, globex):
        headers = {"X-Request-Id": "same"}
        theirs = await globex.client.get(await secrets_of(acme.client), headers=headers)
        unknown = await globex.client.get(f"/integrations/{UNKNOWN}/secrets", headers=headers)

        assert theirs.status_code == 404
        assert theirs.content == unknown.content


class TestGet:
    async def test_shows_what_create_answered(self, client, secrets):
        created = await create(client, secrets)
        response = await client.get(f"{secrets}/{created['id']}")

        assert response.json() == created
        assert response.headers["etag"] == '"1"'

    @pytest.mark.parametrize("id", [str(UNKNOWN), "nonsense", "%20"])
    async def test_answers_404_for_unknown_and_malformed_ids_alike(self, client, secrets, id):
        headers = {"X-Request-Id": "same"}
        expected = await client.get(f"{secrets}/{UNKNOWN}", headers=headers)
        response = await client.get(f"{secrets}/{id}", headers=headers)

        assert response.status_code == 404
        assert response.content == expected.content

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_knows_no_row_of_another_tenant_or_another_integration(self, acme, globex, method):
        secrets = await secrets_of(acme.client)
        created = await create(acme.client, secrets)
        other = await secrets_of(acme.client, "Other")
        mine = await secrets_of(globex.client)
        headers = {"X-Request-Id": "same"}
        body = {"value": "x"} if method == "PUT" else None

        async def ask(member, address):
            return await member.client.request(method, address, json=body, headers=headers)

        answers = [
            await ask(globex, f"{secrets}/{created['id']}"),
            await ask(globex, f"{mine}/{created['id']}"),
            await ask(acme, f"{other}/{created['id']}"),
            await ask(acme, f"{secrets}/{UNKNOWN}"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1


class TestUpdate:
    async def test_seals_the_new_value(self, client, secrets, acme, database):
        created = await create(client, secrets)
        response = await client.put(f"{secrets}/{created['id']}", json={"value": "new"})

        assert response.status_code == 200
        assert response.headers["etag"] == '"2"'
        assert SEALED.fullmatch(response.json()["value"])
        assert response.json()["value"] != created["value"]
        assert response.json()["createdAt"] == created["createdAt"]
        assert await event_types(database, acme) == [
            "integration.created",
            "secret.created",
            "secret.updated",
        ]
        assert (await rows(database, acme, Event))[-1].sequence == 2

    async def test_writes_nothing_for_the_same_value(self, client, secrets, acme, database):
        created = await create(client, secrets)
        response = await client.put(f"{secrets}/{created['id']}", json={"value": PLAINTEXT})

        assert response.json() == created
        assert response.headers["etag"] == '"1"'
        assert await audit_actions(database, acme) == ["integration.created", "secret.created"]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"value": "x", "key": "OTHER"}, "/key"),
            ({"value": "x", "key": "BOT_TOKEN"}, "/key"),
            ({}, "/value"),
            ({"value": None}, "/value"),
        ],
    )
    async def test_changes_the_value_and_nothing_else(self, client, secrets, body, pointer):
        created = await create(client, secrets)
        response = await client.put(f"{secrets}/{created['id']}", json=body)

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]

    async def test_refuses_a_stale_version(self, client, secrets):
        created = await create(client, secrets)
        await client.put(f"{secrets}/{created['id']}", json={"value": "two"})
        response = await client.put(
            f"{secrets}/{created['id']}", json={"value": "three"}, headers={"If-Match": '"1"'}
        )

        assert response.status_code == 412
        assert response.headers["etag"] == '"2"'


class TestDelete:
    async def test_is_gone_and_leaves_its_record(self, client, secrets, acme, database):
        created = await create(client, secrets)
        response = await client.delete(f"{secrets}/{created['id']}", headers={"If-Match": '"1"'})

        assert response.status_code == 204
        assert (await client.get(f"{secrets}/{created['id']}")).status_code == 404
        assert (await audit_actions(database, acme))[-1] == "secret.deleted"
        event = (await rows(database, acme, Event))[-1]
        assert (event.type, event.sequence) == ("secret.deleted", 2)

    async def test_refuses_a_stale_version(self, client, secrets):
        created = await create(client, secrets)
        response = await client.delete(f"{secrets}/{created['id']}", headers={"If-Match": '"7"'})

        assert response.status_code == 412

    async def test_frees_the_key(self, client, secrets):
        created = await create(client, secrets)
        await client.delete(f"{secrets}/{created['id']}")
        await create(client, secrets)

    async def test_comes_with_the_integration(self, client, secrets, acme, database):
        await create(client, secrets)
        await client.delete(secrets.removesuffix("/secrets"))

        assert await rows(database, acme, Secret) == []


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "method", "status"),
        [
            ("secrets:read", "GET", 200),
            ("secrets:read", "POST", 403),
            ("secrets:write", "GET", 403),
            ("secrets:write", "POST", 201),
            ("credentials:*", "GET", 403),
        ],
    )
    async def test_divide_reading_and_writing(self, api, resources, acme, scope, method, status):
        secrets = await secrets_of(acme.client)
        body = {"key": "A", "value": "x"} if method == "POST" else None
        async with connect(api, await issue(resources, acme.tenant, (scope,))) as client:
            response = await client.request(method, secrets, json=body)

        assert response.status_code == status

    async def test_of_a_bound_token_end_with_its_integration(self, api, resources, acme):
        secrets = await secrets_of(acme.client)
        other = await secrets_of(acme.client, "Other")
        token = await issue(resources, acme.tenant, integrationId=secrets.split("/")[2])
        async with connect(api, token) as client:
            assert (await client.get(secrets)).status_code == 200
            assert (await client.get(other)).status_code == 404
