import orjson
import pytest

from app.connectors.catalogue import connectors
from app.connectors.definition import Connector
from tests.fixtures.app import connect, issue

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
