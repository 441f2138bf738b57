import orjson
import pytest

from app.connectors import service
from app.connectors.catalogue import connectors
from app.connectors.definition import Connector
from app.models import TenantConnector
from tests.fixtures.app import audit_actions, connect, issue

pytestmark = pytest.mark.anyio


async def slugs(client, **query) -> list[str]:
    response = await client.get("/connectors", params={"limit": 200, **query})
    assert response.status_code == 200, response.text
    return [one["slug"] for one in response.json()]


class TestList:
    async def test_shows_what_one_chooses_by(self, client):
        [airtable] = (await client.get("/connectors", params={"search": "AIRTABLE"})).json()
        assert airtable["slug"] == "airtable"
        assert airtable["name"] == "Airtable"
        assert "oauth2" in airtable["auth"]

    async def test_goes_through_all_by_the_page(self, client):
        found, address = [], "/connectors?limit=1"
        for _ in range(3):
            response = await client.get(address)
            found += [one["slug"] for one in response.json()]
            if "Link" not in response.headers:
                break
            address = response.headers["Link"].partition("<")[2].partition(">")[0]
        assert found == sorted(connectors())[: len(found)]

    async def test_takes_filters_together(self, client):
        by_auth = await slugs(client, auth="oauth2")
        assert "airtable" in by_auth
        assert await slugs(client, auth="oauth2", search="airtab") == ["airtable"]
        assert await slugs(client, auth="oauth1", search="airtable") == []
        assert await slugs(client, category="no-such") == []

    async def test_can_be_turned_around(self, client):
        assert await slugs(client, search="air", sort="-slug") == sorted(
            await slugs(client, search="air"), reverse=True
        )

    @pytest.mark.parametrize("query", [{"auth": "magic"}, {"sort": "name"}, {"cursor": "x"}, {"limit": 0}])
    async def test_refuses_what_it_does_not_know(self, client, query):
        assert (await client.get("/connectors", params=query)).status_code == 422

    async def test_needs_its_scope(self, api, acme, resources):
        async with connect(api, await issue(resources, acme.tenant, ("handlers:read",))) as weak:
            assert (await weak.get("/connectors")).status_code == 403


class TestShow:
    async def test_tells_all_and_what_is_asked_for(self, client):
        shown = (await client.get("/connectors/airtable")).json()
        assert Connector.model_validate_json(orjson.dumps(shown["connector"])) == connectors()["airtable"]
        assert shown["fields"]["oauth2"] == []

    @pytest.mark.parametrize("slug", ["none", "Airtable", "..", "%00", "a" * 101])
    async def test_knows_no_other(self, client, slug):
        assert (await client.get(f"/connectors/{slug}")).status_code in {404, 422}


PRIVATE = {"name": "Ours", "categories": ["internal"], "auth": {"bearer": {}}}


class TestOwn:
    async def test_is_over_the_catalogues_and_goes_again(self, client):
        record = {"name": "Our Airtable", "auth": {"oauth2": {"scopes": ["data.records:read"]}}}
        put = await client.put("/connectors/airtable", json={"record": record})
        assert put.status_code == 200
        shown = (await client.get("/connectors/airtable")).json()
        assert (shown["origin"], shown["record"]) == ("overlay", record)
        assert shown["connector"]["name"] == "Our Airtable"
        assert shown["connector"]["auth"]["oauth2"]["scopes"] == ["data.records:read"]
        url = connectors()["airtable"].auth.oauth2.token.url
        assert shown["connector"]["auth"]["oauth2"]["token"]["url"] == url

        assert (await client.delete("/connectors/airtable")).status_code == 204
        assert (await client.get("/connectors/airtable")).json()["origin"] == "catalogue"

    async def test_may_be_one_that_the_catalogue_has_not(self, client):
        await client.put("/connectors/zz-ours", json={"record": PRIVATE})
        shown = (await client.get("/connectors/zz-ours")).json()
        assert (shown["origin"], shown["connector"]["slug"]) == ("private", "zz-ours")
        assert [one["key"] for one in shown["fields"]["bearer"]] == ["ACCESS_TOKEN"]
        assert await slugs(client, category="internal") == ["zz-ours"]
        await client.delete("/connectors/zz-ours")
        assert (await client.get("/connectors/zz-ours")).status_code == 404

    async def test_takes_something_away_with_null(self, client):
        await client.put("/connectors/zz-ours", json={"record": {**PRIVATE, "docs": "https://example.com/"}})
        shown = await client.put("/connectors/zz-ours", json={"record": {**PRIVATE, "docs": None}})
        assert shown.json()["connector"]["docs"] is None

    @pytest.mark.parametrize(
        ("record", "pointer"),
        [
            ({}, "/record/name"),
            ({**PRIVATE, "auth": {}}, "/record/auth"),
            (
                {**PRIVATE, "auth": {"oauth2": {"token": {"url": "http://x.example.com/"}}}},
                "/record/auth/oauth2",
            ),
            ({**PRIVATE, "surprise": 1}, "/record/surprise"),
            ({**PRIVATE, "api": {"baseUrl": "https://{where}.example.com/"}}, "/record"),
            (
                {**PRIVATE, "variables": {"a": {"label": "A", "pattern": "[a-z]+"}}},
                "/record/variables/a/pattern",
            ),
            ({**PRIVATE, "notes": ["x" * 70_000]}, ""),
        ],
    )
    async def test_is_refused_where_it_is_none_of_a_connector(self, client, record, pointer):
        response = await client.put("/connectors/zz-ours", json={"record": record})
        assert response.status_code == 422
        assert response.json()["code"] == "connector_not_valid"
        found = [fault["pointer"] for fault in response.json().get("errors", [])]
        assert not pointer or any(one.startswith(pointer) for one in found), found

    async def test_of_another_slug_keeps_its_own(self, client):
        shown = await client.put("/connectors/zz-ours", json={"record": {**PRIVATE, "slug": "other"}})
        assert shown.json()["connector"]["slug"] == "zz-ours"

    async def test_is_changed_by_one_at_a_time(self, client):
        first = await client.put("/connectors/zz-ours", json={"record": PRIVATE})
        headers = {"If-Match": first.headers["ETag"]}
        changed = {"record": {**PRIVATE, "name": "Theirs"}}
        assert (await client.put("/connectors/zz-ours", json=changed, headers=headers)).status_code == 200
        assert (await client.put("/connectors/zz-ours", json=changed, headers=headers)).status_code == 412
        assert (await client.delete("/connectors/zz-ours", headers=headers)).status_code == 412

    async def test_leaves_a_record_of_what_changed(self, client, acme, database):
        await client.put("/connectors/zz-ours", json={"record": PRIVATE})
        await client.put("/connectors/zz-ours", json={"record": PRIVATE})
        await client.delete("/connectors/zz-ours")
        assert await audit_actions(database, acme) == ["connector.changed", "connector.removed"]

    async def test_is_seen_by_no_other_tenant(self, client, globex):
        await client.put("/connectors/zz-ours", json={"record": PRIVATE})
        await client.put("/connectors/airtable", json={"record": {"name": "Our Airtable"}})
        assert (await globex.client.get("/connectors/zz-ours")).status_code == 404
        assert (await globex.client.get("/connectors/airtable")).json()["connector"]["name"] == "Airtable"

    async def test_that_the_catalogue_outgrew_is_left_out(self, client, acme, database):
        async with database.transaction(acme.tenant_id) as session:
            row = TenantConnector(slug="zz-old", record={"gone": 1}, tenant_id=acme.tenant_id)
            session.add(row)
        assert "zz-old" not in await slugs(client)
        assert (await client.get("/connectors/zz-old")).status_code == 404
        assert (await client.delete("/connectors/zz-old")).status_code == 204

    async def test_are_not_endless(self, client, monkeypatch):
        monkeypatch.setattr(service, "MOST_OF_A_TENANT", 1)
        await client.put("/connectors/zz-ours", json={"record": PRIVATE})
        refused = await client.put("/connectors/zz-more", json={"record": PRIVATE})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_connectors")
