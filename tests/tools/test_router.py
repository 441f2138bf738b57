import jsonschema_rs
import pytest

from app.openapi_sync.tool_schemas import DIALECT
from app.tools.service import ANYTHING
from tests.fixtures.app import connect, issue
from tests.openapi_sync.sofa import get, query

pytestmark = pytest.mark.anyio

PETS = {
    "/pets": {
        "post": {
            "operationId": "addPet",
            "summary": "Add a pet",
            "description": "It must not bite.",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"properties": {"name": {"type": "string"}}, "required": ["name"]}
                    }
                },
            },
            "responses": {"201": {"content": {"application/json": {"schema": {"type": "object"}}}}},
        },
        **get("listPets", parameters=[query("limit")]),
    }
}


async def tools(sofa, **params: object) -> dict[str, dict]:
    response = await sofa.client.get(f"{sofa.address}/tools", params=params)
    assert response.status_code == 200, response.text
    found = response.json()
    for tool in found:
        jsonschema_rs.meta.validate(tool["inputSchema"])
    return {tool["name"]: tool for tool in found}


class TestTools:
    async def test_are_the_operations_that_were_synced(self, sofa):
        await sofa.sync(PETS)
        found = await tools(sofa)
        handlers = await sofa.handlers()

        assert found["add-pet"] == {
            "name": "add-pet",
            "description": "Add a pet\n\nIt must not bite.",
            "integrationId": sofa.address.rpartition("/")[2],
            "handlerId": handlers["add-pet"]["id"],
            "inputSchema": {
                "$schema": DIALECT,
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
            },
            "outputSchema": {"$schema": DIALECT, "type": "object"},
        }
        assert list(found["list-pets"]["inputSchema"]["properties"]) == ["limit"]
        assert (found["list-pets"]["description"], found["list-pets"]["outputSchema"]) == (None, None)

    async def test_go_by_the_name_and_summary_that_a_person_gave(self, sofa):
        await sofa.sync(PETS)
        await sofa.edit("add-pet", name="adopt", summary="Adopt a pet")
        found = await tools(sofa)
        assert found.keys() == {"adopt", "list-pets"}
        assert found["adopt"]["description"] == "Adopt a pet\n\nIt must not bite."

    async def test_do_not_ask_for_what_the_handler_has_a_default_for(self, sofa):
        await sofa.sync(PETS)
        await sofa.edit("add-pet", defaultArgs={"name": "Rex"})
        assert (await tools(sofa))["add-pet"]["inputSchema"]["required"] == []

    async def test_are_the_enabled_handlers_only(self, sofa):
        await sofa.sync(PETS)
        await sofa.edit("add-pet", enabled=False)
        assert (await tools(sofa)).keys() == {"list-pets"}

    async def test_change_with_the_document(self, sofa):
        await sofa.sync(PETS)
        await tools(sofa)
        await sofa.sync({"/pets": get("listPets", parameters=[query("limit"), query("owner")])})
        found = await tools(sofa)
        assert list(found["list-pets"]["inputSchema"]["properties"]) == ["limit", "owner"]
        # Its operation is gone; what its handler knows of it is left.
        assert found["add-pet"]["inputSchema"] == {**ANYTHING, "properties": {}, "required": []}

    async def test_may_come_from_several_documents(self, sofa):
        await sofa.sync(PETS)
        response = await sofa.client.post(
            f"{sofa.address}/sync-handlers/document",
            json={
                "openapi": "3.1.0",
                "paths": {"/pets": PETS["/pets"], "/stores": get("listStores", parameters=[query("city")])},
            },
        )
        assert response.status_code == 200, response.text
        found = await tools(sofa)
        assert list(found["list-stores"]["inputSchema"]["properties"]) == ["city"]

    async def test_are_other_handlers_as_well(self, sofa):
        target = {"kind": "http", "method": "POST", "url": "https://example.com/"}
        body = {"name": "call", "summary": "Calls.", "target": target}
        assert (await sofa.client.post(f"{sofa.address}/handlers", json=body)).status_code == 201
        [tool] = (await tools(sofa)).values()
        assert (tool["description"], tool["inputSchema"]) == ("Calls.", ANYTHING)

    async def test_come_by_the_page_in_the_order_of_their_names(self, sofa):
        await sofa.sync(PETS)
        response = await sofa.client.get(f"{sofa.address}/tools", params={"limit": 1})
        assert [tool["name"] for tool in response.json()] == ["add-pet"]
        following = await sofa.client.get(response.links["next"]["url"])
        assert [tool["name"] for tool in following.json()] == ["list-pets"]
        assert "next" not in following.links

    async def test_are_a_tenants_own(self, sofa, globex):
        await sofa.sync(PETS)
        assert (await globex.client.get(f"{sofa.address}/tools")).status_code == 404

    async def test_are_shown_to_who_may_read_handlers(self, sofa, acme, api, resources):
        token = await issue(resources, acme.tenant, ("integrations:read",))
        async with connect(api, token) as client:
            assert (await client.get(f"{sofa.address}/tools")).status_code == 403
