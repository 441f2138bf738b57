import pytest

from app.models import AuditRecord, OAuthClient
from tests.fixtures.app import audit_actions, rows

pytestmark = pytest.mark.anyio

ADDRESS = "/connectors/airtable/client"
SECRET = "canary-9b1e-secret"
GIVEN = {"clientId": "abc", "clientSecret": SECRET, "scopes": ["data.records:read"]}


async def put(client, **changes):
    response = await client.put(ADDRESS, json={**GIVEN, **changes})
    assert response.status_code == 200, response.text
    return response.json()


class TestClient:
    async def test_is_shown_without_its_secret(self, client):
        made = await put(client)
        shown = await client.get(ADDRESS)
        assert shown.json() == made
        assert (made["connector"], made["clientId"], made["hasSecret"], made["generation"]) == (
            "airtable",
            "abc",
            True,
            1,
        )
        assert made["scopes"] == ["data.records:read"]
        assert SECRET not in shown.text

    async def test_is_sealed_and_in_no_record(self, client, acme, database):
        await put(client)
        await put(client, clientSecret="canary-other")
        [row] = await rows(database, acme, OAuthClient)
        assert b"canary" not in row.sealed
        told = [record.changes for record in await rows(database, acme, AuditRecord)]
        assert "canary" not in str(told)
        assert await audit_actions(database, acme) == ["oauth_client.created", "oauth_client.updated"]

    async def test_counts_what_tokens_are_bound_to(self, client):
        await put(client)
        assert (await put(client, scopes=None))["generation"] == 1
        assert (await put(client, clientSecret="another"))["generation"] == 2
        assert (await put(client, clientSecret="another", clientId="def"))["generation"] == 3

    async def test_keeps_the_secret_that_is_not_mentioned(self, client):
        await put(client)
        response = await client.put(ADDRESS, json={"clientId": "abc"})
        assert (response.json()["hasSecret"], response.json()["generation"]) == (True, 1)
        response = await client.put(ADDRESS, json={"clientId": "abc", "clientSecret": None})
        assert (response.json()["hasSecret"], response.json()["generation"]) == (False, 2)

    async def test_leaves_no_record_of_the_same_again(self, client, acme, database):
        await put(client)
        await put(client)
        assert await audit_actions(database, acme) == ["oauth_client.created"]

    async def test_is_changed_by_one_at_a_time(self, client):
        await put(client)
        stale = {"If-Match": '"7"'}
        assert (await client.put(ADDRESS, json=GIVEN, headers=stale)).status_code == 412
        assert (await client.delete(ADDRESS, headers=stale)).status_code == 412

    async def test_goes(self, client, acme, database):
        await put(client)
        assert (await client.delete(ADDRESS)).status_code == 204
        gone = await client.get(ADDRESS)
        assert (gone.status_code, gone.json()["code"]) == (404, "registration_missing")
        assert (await audit_actions(database, acme))[-1] == "oauth_client.deleted"

    async def test_is_of_a_connector_that_takes_one(self, client):
        await client.put("/connectors/zz-key", json={"record": {"name": "Key", "auth": {"bearer": {}}}})
        refused = await client.put("/connectors/zz-key/client", json=GIVEN)
        assert (refused.status_code, refused.json()["code"]) == (422, "connector_takes_no_client")
        assert (await client.put("/connectors/zz-none/client", json=GIVEN)).status_code == 404

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"clientId": ""},
            {"clientId": "a\nb"},
            {"clientId": "a", "clientSecret": ""},
            {**GIVEN, "x": 1},
        ],
    )
    async def test_is_refused_where_it_is_none(self, client, given):
        response = await client.put(ADDRESS, json=given)
        assert response.status_code == 422
        assert SECRET not in response.text

    async def test_is_a_tenants_own(self, client, globex):
        await put(client)
        assert (await globex.client.get(ADDRESS)).status_code == 404
