import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.auth import tokens
from app.models import AccessToken, AuditRecord, Event
from tests.fixtures.app import add_integration, connect, issue, rows

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")


async def create(client, name="ci", scopes=("integrations:read",), **fields):
    response = await client.post("/access-tokens", json={"name": name, "scopes": [*scopes], **fields})
    assert response.status_code == 201, response.text
    return response.json()


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def wait(stamp):
    return datetime.fromisoformat(stamp) - datetime.now(UTC)


class TestCreate:
    async def test_shows_the_token_this_once(self, client):
        response = await client.post("/access-tokens", json={"name": " ci ", "scopes": ["secrets:*"]})

        assert response.status_code == 201
        body = response.json()
        assert body == {
            "id": body["id"],
            "name": "ci",
            "token": body["token"],
            "prefix": body["token"][:11],
            "scopes": ["secrets:*"],
            "integrationId": None,
            "expiresAt": body["expiresAt"],
            "createdAt": body["createdAt"],
        }
        assert re.fullmatch(tokens.PATTERN, body["token"])
        assert response.headers["location"] == f"/access-tokens/{body['id']}"
        assert response.headers["cache-control"] == "no-store"

    async def test_makes_a_token_that_works(self, api, client):
        created = await create(client)
        async with connect(api, created["token"]) as caller:
            assert (await caller.get("/integrations")).status_code == 200
            assert (await caller.get("/access-tokens")).status_code == 403

    async def test_keeps_the_token_nowhere(self, client, acme, database):
        created = await create(client)

        kept = [
            row for model in (AccessToken, AuditRecord, Event) for row in await rows(database, acme, model)
        ]
        assert not [row for row in kept if created["token"] in repr(vars(row))]

    async def test_leaves_an_audit_record_and_an_event(self, client, acme, database):
        created = await create(client, scopes=("secrets:read", "audit:read", "secrets:read"))

        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.resource_id, record.resource_name) == (
            "access_token.created",
            created["id"],
            "ci",
        )
        assert record.changes == {"scopes": ["audit:read", "secrets:read"]}
        assert (await rows(database, acme, Event))[-1].type == "access_token.created"

    async def test_lasts_90_days_unless_told(self, client):
        created = await create(client)

        assert timedelta(days=89, hours=23) < wait(created["expiresAt"]) < timedelta(days=90)

    async def test_lasts_as_long_as_told(self, client):
        for days in (0.01, 365.9):
            created = await create(client, expiresAt=in_days(days))
            assert abs(wait(created["expiresAt"]) - timedelta(days=days)) < timedelta(minutes=1)

    @pytest.mark.parametrize("days", [-1, 0, 367])
    async def test_refuses_to_end_in_the_past_or_after_more_than_a_year(self, client, days):
        body = {"name": "ci", "scopes": ["integrations:read"], "expiresAt": in_days(days)}
        response = await client.post("/access-tokens", json=body)

        assert response.status_code == 422
        assert response.json()["code"] == "expiry_not_valid"
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/expiresAt"]

    async def test_can_be_bound_to_an_integration(self, client):
        id = (await add_integration(client)).split("/")[2]

        assert (await create(client, integrationId=id))["integrationId"] == id

    @pytest.mark.parametrize(
        ("fields", "pointer", "code"),
        [
            ({"name": ""}, "/name", "unprocessable"),
            ({"scopes": []}, "/scopes", "unprocessable"),
            ({"scopes": ["integrations:read", "x"]}, "/scopes/1", "scope_not_known"),
            ({"scopes": ["tenants:admin"]}, "/scopes/0", "scope_not_known"),
            ({"scopes": ["tenants:*"]}, "/scopes/0", "scope_not_known"),
            ({"expiresAt": "tomorrow"}, "/expiresAt", "unprocessable"),
            ({"expiresAt": "2099-01-01T00:00:00"}, "/expiresAt", "unprocessable"),
            ({"integrationId": str(UNKNOWN)}, "/integrationId", "unprocessable"),
            ({"integrationId": "x"}, "/integrationId", "unprocessable"),
            ({"token": "jf_svc_mine"}, "/token", "unprocessable"),
        ],
    )
    async def test_names_the_field_that_is_wrong(self, client, fields, pointer, code):
        body = {"name": "ci", "scopes": ["integrations:read"], **fields}
        response = await client.post("/access-tokens", json=body)

        assert response.status_code == 422
        assert response.json()["code"] == code
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]

    async def test_cannot_be_bound_to_another_tenants_integration(self, acme, globex):
        theirs = (await add_integration(acme.client)).split("/")[2]
        body = {"name": "ci", "scopes": ["*"], "integrationId": theirs}
        response = await globex.client.post("/access-tokens", json=body)

        assert response.status_code == 422

    @pytest.mark.parametrize(
        ("held", "wanted", "status"),
        [
            ("secrets:*", "secrets:read", 201),
            ("secrets:*", "secrets:*", 201),
            ("secrets:read", "secrets:write", 422),
            ("secrets:read", "secrets:*", 422),
            ("secrets:read", "*:read", 422),
            ("*:read", "*", 422),
            ("*:*", "*", 201),
        ],
    )
    async def test_grants_no_more_than_its_maker_holds(self, api, resources, acme, held, wanted, status):
        token = await issue(resources, acme.tenant, ("access_tokens:write", held))
        async with connect(api, token) as caller:
            response = await caller.post("/access-tokens", json={"name": "ci", "scopes": [wanted]})

        assert response.status_code == status
        if status == 422:
            assert response.json()["code"] == "scope_not_held"


class TestRead:
    async def test_never_shows_a_token_again(self, client):
        created = await create(client)
        response = await client.get(f"/access-tokens/{created['id']}")

        token = created.pop("token")
        assert response.json() == {**created, "lastUsedAt": None}
        assert token not in (await client.get("/access-tokens")).text

    async def test_shows_when_a_token_was_last_used(self, api, client):
        created = await create(client)
        async with connect(api, created["token"]) as caller:
            await caller.get("/integrations")
        shown = (await client.get(f"/access-tokens/{created['id']}")).json()

        assert abs(wait(shown["lastUsedAt"])) < timedelta(minutes=1)

    async def test_lists_by_name_in_pages(self, client):
        for name in ("b", "a"):
            await create(client, name)
        response = await client.get("/access-tokens?sort=name&limit=2")

        assert [row["name"] for row in response.json()] == ["a", "b"]
        assert 'rel="next"' in response.headers["link"]

    async def test_shows_nothing_of_another_tenant(self, acme, globex):
        created = await create(acme.client)
        headers = {"X-Request-Id": "same"}
        unknown = await globex.client.get(f"/access-tokens/{UNKNOWN}", headers=headers)

        for method in ("GET", "DELETE"):
            address = f"/access-tokens/{created['id']}"
            response = await globex.client.request(method, address, headers=headers)
            assert response.status_code == 404
            assert response.content == unknown.content
        assert created["id"] not in (await globex.client.get("/access-tokens")).text


class TestRevoke:
    async def test_holds_from_the_answer_on(self, api, client):
        created = await create(client)
        async with connect(api, created["token"]) as caller:
            assert (await caller.get("/integrations")).status_code == 200
            response = await client.delete(f"/access-tokens/{created['id']}")
            assert response.status_code == 204
            assert (await caller.get("/integrations")).status_code == 401

    async def test_holds_from_the_answer_on_while_the_token_is_busy(self, committed_acme):
        client = committed_acme.client
        created = await create(client)
        headers = {"Authorization": f"Bearer {created['token']}"}
        use = [client.get("/integrations", headers=headers) for _ in range(3)]
        await asyncio.gather(*use, client.delete(f"/access-tokens/{created['id']}"))

        assert (await client.get("/integrations", headers=headers)).status_code == 401

    async def test_hides_the_token_and_leaves_a_record(self, client, acme, database):
        created = await create(client)
        await client.delete(f"/access-tokens/{created['id']}")

        assert (await client.get(f"/access-tokens/{created['id']}")).status_code == 404
        assert (await client.delete(f"/access-tokens/{created['id']}")).status_code == 404
        assert created["id"] not in (await client.get("/access-tokens")).text
        assert (await rows(database, acme, AuditRecord))[-1].action == "access_token.revoked"
        event = (await rows(database, acme, Event))[-1]
        assert (event.type, event.sequence) == ("access_token.revoked", 2)

    async def test_lets_a_token_end_itself(self, client, acme):
        (own,) = (await client.get("/access-tokens")).json()

        assert (await client.delete(f"/access-tokens/{own['id']}")).status_code == 204
        assert (await client.get("/access-tokens")).status_code == 401
