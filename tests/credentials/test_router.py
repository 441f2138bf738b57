from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.models import AuditRecord, Credential, Event
from tests.fixtures.app import (
    add_integration,
    audit_actions,
    connect,
    event_types,
    fill_audit_log,
    issue,
    rows,
)

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")
PLAINTEXT = "correct-horse-battery-staple"
SEALED = "jfs1."


@pytest.fixture
async def credentials(client):
    """The address of an integration's credentials."""
    return f"{await add_integration(client)}/credentials"


@pytest.fixture
async def writer(api, resources, acme):
    """A client that may write credentials, and not read them."""
    async with connect(api, await issue(resources, acme.tenant, ("credentials:write",))) as client:
        yield client


async def create(client, credentials, key="API_USER", value=PLAINTEXT):
    response = await client.post(credentials, json={"key": key, "value": value})
    assert response.status_code == 201, response.text
    return response.json()


async def revelations(database, member):
    """``(resource type, resource name, changes)`` of every audit record of a reading."""
    return [
        (row.resource_type, row.resource_name, row.changes)
        for row in await rows(database, member, AuditRecord)
        if row.action == "credential.revealed"
    ]


async def hand_over(database, member, id):
    """Make it a credential that the OAuth service keeps."""
    async with database.transaction(member.tenant_id) as session:
        await session.execute(update(Credential).where(Credential.id == UUID(id)).values(source="oauth"))


class TestCreate:
    async def test_answers_with_the_value_and_where_it_is(self, client, credentials):
        response = await client.post(credentials, json={"key": "API_USER", "value": PLAINTEXT})

        assert response.status_code == 201
        body = response.json()
        assert body == {
            "id": body["id"],
            "integrationId": credentials.split("/")[2],
            "key": "API_USER",
            "value": PLAINTEXT,
            "source": "manual",
            "createdAt": body["createdAt"],
            "updatedAt": body["createdAt"],
        }
        assert response.headers["location"] == f"{credentials}/{body['id']}"
        assert response.headers["etag"] == '"1"'

    async def test_shows_the_sealed_form_to_who_may_not_read(self, writer, credentials):
        created = await create(writer, credentials)

        assert created["value"].startswith(SEALED)

    async def test_seals_the_value_at_rest(self, client, credentials, acme, database):
        await create(client, credentials)

        (row,) = await rows(database, acme, Credential)
        assert PLAINTEXT.encode() not in row.sealed

    async def test_records_the_key_and_never_the_value(self, client, credentials, acme, database):
        await create(client, credentials)

        kept = [*await rows(database, acme, AuditRecord), *await rows(database, acme, Event)]
        assert not [row for row in kept if PLAINTEXT in repr(vars(row))]
        assert await audit_actions(database, acme) == ["integration.created", "credential.created"]
        event = (await rows(database, acme, Event))[-1]
        assert (event.type, event.payload["key"]) == ("credential.created", "API_USER")

    async def test_refuses_a_taken_key(self, client, credentials):
        await create(client, credentials)
        response = await client.post(credentials, json={"key": "API_USER", "value": "other"})

        assert response.status_code == 409
        assert response.json()["code"] == "credential_key_taken"

    async def test_lets_a_secret_have_the_same_key(self, client, credentials):
        await create(client, credentials)
        secrets = credentials.replace("credentials", "secrets")
        response = await client.post(secrets, json={"key": "API_USER", "value": "x"})

        assert response.status_code == 201

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"value": "x"}, "/key"),
            ({"key": "1", "value": "x"}, "/key"),
            ({"key": "A"}, "/value"),
            ({"key": "A", "value": ""}, "/value"),
            ({"key": "A", "value": "ä" * 32769}, "/value"),
            ({"key": "A", "value": "x", "source": "oauth"}, "/source"),
        ],
    )
    async def test_names_the_field_that_is_wrong(self, client, credentials, body, pointer):
        response = await client.post(credentials, json=body)

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]

    async def test_keeps_64_kibibytes_to_the_byte(self, client, credentials):
        value = "ä" * 32768
        created = await create(client, credentials, value=value)

        assert (await client.get(f"{credentials}/{created['id']}")).json()["value"] == value

    async def test_answers_404_for_another_tenants_integration(self, acme, globex):
        theirs = f"{await add_integration(acme.client)}/credentials"
        headers = {"X-Request-Id": "same"}
        body = {"key": "A", "value": "x"}
        response = await globex.client.post(theirs, json=body, headers=headers)
        unknown = await globex.client.post(f"/integrations/{UNKNOWN}/credentials", json=body, headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content

    async def test_lets_no_cache_keep_the_first_or_the_repeated_answer(self, client, credentials):
        body, headers = {"key": "A", "value": PLAINTEXT}, {"Idempotency-Key": "k1"}
        first = await client.post(credentials, json=body, headers=headers)
        second = await client.post(credentials, json=body, headers=headers)

        assert second.content == first.content
        assert first.headers["cache-control"] == second.headers["cache-control"] == "no-store"


class TestRead:
    async def test_shows_the_value_and_records_who_saw_it(self, client, credentials, acme, database):
        created = await create(client, credentials)
        response = await client.get(f"{credentials}/{created['id']}")

        assert response.json() == created
        assert response.headers["cache-control"] == "no-store"
        assert await revelations(database, acme) == [("credential", "API_USER", {})]

    async def test_of_a_list_leaves_one_record_that_names_the_keys(self, client, credentials, acme, database):
        created = [await create(client, credentials, key, key.lower()) for key in ("B", "A")]
        response = await client.get(f"{credentials}?sort=key")

        assert response.json() == created[::-1]
        assert response.headers["cache-control"] == "no-store"
        assert await revelations(database, acme) == [("integration", "Telegram Bot", {"keys": ["A", "B"]})]

    async def test_of_a_page_records_that_page_alone(self, client, credentials, acme, database):
        for key in ("A", "B", "C"):
            await create(client, credentials, key)
        response = await client.get(f"{credentials}?sort=key&limit=2")

        assert 'rel="next"' in response.headers["link"]
        assert [changes for _, _, changes in await revelations(database, acme)] == [{"keys": ["A", "B"]}]

    async def test_of_an_empty_list_reveals_nothing(self, client, credentials, acme, database):
        assert (await client.get(credentials)).json() == []
        assert await revelations(database, acme) == []

    async def test_is_no_event(self, client, credentials, acme, database):
        await create(client, credentials)
        await client.get(credentials)

        assert await event_types(database, acme) == ["integration.created", "credential.created"]

    async def test_is_refused_to_who_may_only_write(self, writer, client, credentials):
        created = await create(client, credentials)

        for address in (credentials, f"{credentials}/{created['id']}"):
            response = await writer.get(address)
            assert response.status_code == 403
            assert PLAINTEXT not in response.text

    async def test_fails_when_it_cannot_be_recorded(self, committed_acme, committed_urls):
        client = committed_acme.client
        credentials = f"{await add_integration(client)}/credentials"
        created = await create(client, credentials)
        await fill_audit_log(committed_urls)

        for address in (credentials, f"{credentials}/{created['id']}"):
            response = await client.get(address)
            assert response.status_code == 503
            assert PLAINTEXT not in response.text

    async def test_does_not_open_a_value_that_was_moved_to_another_row(
        self, client, credentials, acme, database
    ):
        created = await create(client, credentials, "A", "first-value")
        other = await create(client, credentials, "B", "second-value")
        async with database.transaction(acme.tenant_id) as session:
            moved = select(Credential.sealed).where(Credential.id == UUID(created["id"])).scalar_subquery()
            query = update(Credential).where(Credential.id == UUID(other["id"]))
            await session.execute(query.values(sealed=moved))

        for address in (credentials, f"{credentials}/{other['id']}"):
            response = await client.get(address)
            assert response.status_code == 503
            assert response.json()["code"] == "key_unavailable"
            assert "first-value" not in response.text
        assert await revelations(database, acme) == []

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_knows_no_row_of_another_tenant_or_another_integration(self, acme, globex, method):
        credentials = f"{await add_integration(acme.client)}/credentials"
        created = await create(acme.client, credentials)
        other = f"{await add_integration(acme.client, 'Other')}/credentials"
        mine = f"{await add_integration(globex.client)}/credentials"
        headers = {"X-Request-Id": "same"}
        body = {"value": "x"} if method == "PUT" else None

        async def ask(member, address):
            return await member.client.request(method, address, json=body, headers=headers)

        answers = [
            await ask(globex, f"{credentials}/{created['id']}"),
            await ask(globex, f"{mine}/{created['id']}"),
            await ask(acme, f"{other}/{created['id']}"),
            await ask(acme, f"{credentials}/{UNKNOWN}"),
            await ask(acme, f"{credentials}/nonsense"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1

    async def test_of_a_list_answers_404_for_another_tenants_integration(self, acme, globex):
        theirs = f"{await add_integration(acme.client)}/credentials"
        headers = {"X-Request-Id": "same"}
        response = await globex.client.get(theirs, headers=headers)
        unknown = await globex.client.get(f"/integrations/{UNKNOWN}/credentials", headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content


class TestUpdate:
    async def test_seals_the_new_value(self, client, credentials, acme, database):
        created = await create(client, credentials)
        response = await client.put(f"{credentials}/{created['id']}", json={"value": "new"})

        assert response.headers["etag"] == '"2"'
        assert response.headers["cache-control"] == "no-store"
        assert {**response.json(), "updatedAt": created["updatedAt"]} == {**created, "value": "new"}
        assert (await client.get(f"{credentials}/{created['id']}")).json()["value"] == "new"
        assert "credential.updated" in await audit_actions(database, acme)

    async def test_shows_the_sealed_form_to_who_may_not_read(self, writer, client, credentials):
        created = await create(client, credentials)
        response = await writer.put(f"{credentials}/{created['id']}", json={"value": "new"})

        assert response.json()["value"].startswith(SEALED)

    async def test_writes_nothing_for_the_same_value(self, client, credentials, acme, database):
        created = await create(client, credentials)
        response = await client.put(f"{credentials}/{created['id']}", json={"value": PLAINTEXT})

        assert response.json() == created
        assert response.headers["etag"] == '"1"'
        assert await audit_actions(database, acme) == ["integration.created", "credential.created"]

    async def test_never_changes_the_key(self, client, credentials):
        created = await create(client, credentials)
        response = await client.put(f"{credentials}/{created['id']}", json={"value": "x", "key": "OTHER"})

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/key"]

    async def test_refuses_a_stale_version(self, client, credentials):
        created = await create(client, credentials)
        response = await client.put(
            f"{credentials}/{created['id']}", json={"value": "x"}, headers={"If-Match": '"7"'}
        )

        assert response.status_code == 412


class TestDelete:
    async def test_is_gone_and_leaves_its_record(self, client, credentials, acme, database):
        created = await create(client, credentials)
        response = await client.delete(f"{credentials}/{created['id']}", headers={"If-Match": '"1"'})

        assert response.status_code == 204
        assert (await client.get(f"{credentials}/{created['id']}")).status_code == 404
        assert (await audit_actions(database, acme))[-1] == "credential.deleted"
        event = (await rows(database, acme, Event))[-1]
        assert (event.type, event.sequence) == ("credential.deleted", 2)

    async def test_refuses_a_stale_version(self, client, credentials):
        created = await create(client, credentials)
        response = await client.delete(f"{credentials}/{created['id']}", headers={"If-Match": '"7"'})

        assert response.status_code == 412


class TestManagedCredential:
    async def test_says_who_keeps_it(self, client, credentials, acme, database):
        created = await create(client, credentials)
        await hand_over(database, acme, created["id"])

        assert (await client.get(f"{credentials}/{created['id']}")).json()["source"] == "oauth"

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_refuses_to_be_changed_by_hand(self, client, credentials, acme, database, method):
        created = await create(client, credentials)
        await hand_over(database, acme, created["id"])
        body = {"value": PLAINTEXT} if method == "PUT" else None
        response = await client.request(method, f"{credentials}/{created['id']}", json=body)

        assert response.status_code == 409
        assert response.json()["code"] == "credential_is_managed"
        assert len(await rows(database, acme, Credential)) == 1
