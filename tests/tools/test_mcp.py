"""Agents, through the client of the protocol's official SDK."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from app.tools import mcp_server
from tests.fixtures.app import connect, issue
from tests.fixtures.operations import TOOLS_LIST
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import Sofa, get, many, query

pytestmark = pytest.mark.anyio

PETS = {"/pets": get("listPets", parameters=[query("limit")], summary="All pets")}
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def agent(client: httpx2.AsyncClient, path: str = "/mcp", mode: str = "auto") -> AsyncIterator[Client]:
    url = f"{str(client.base_url).rstrip('/')}{path}"
    async with Client(streamable_http_client(url, http_client=client), mode=mode) as connected:
        yield connected


async def names(client: httpx2.AsyncClient, path: str = "/mcp") -> list[str]:
    async with agent(client, path) as connected:
        return [tool.name for tool in (await connected.list_tools()).tools]


class TestAgent:
    @pytest.mark.parametrize("mode", ["auto", "legacy"])
    async def test_lists_and_calls_a_synced_tool(self, sofa, upstream, mode):
        await sofa.sync(PETS)
        upstream.answer("/pets", Answer(body=b'[{"name": "Rex"}]', headers=JSON))
        async with agent(sofa.client, mode=mode) as client:
            [tool] = (await client.list_tools()).tools
            result = await client.call_tool("list-pets", {"limit": "5"})

        assert (tool.name, tool.description) == ("list-pets", "All pets")
        assert list(tool.input_schema["properties"]) == ["limit"]
        assert (result.is_error, json.loads(result.content[0].text)) == (False, [{"name": "Rex"}])
        asked = upstream.requests[-1]
        assert (asked.method, asked.path, asked.query) == ("GET", "/pets", "limit=5")
        [execution] = (await sofa.client.get("/executions")).json()
        assert result.structured_content == {
            "statusCode": 200,
            "body": [{"name": "Rex"}],
            "executionId": execution["id"],
        }

    async def test_reads_what_went_wrong(self, sofa, upstream):
        await sofa.sync({"/pets/{petId}": get("showPet")})
        upstream.answer("/pets/7", Answer(status=404, body=b"No such pet."))
        async with agent(sofa.client) as client:
            refused = await client.call_tool("show-pet", {})
            failed = await client.call_tool("show-pet", {"petId": 7})

        assert refused.is_error
        assert refused.content[0].text.splitlines()[1] == "/petId: The path parameter is required."
        assert (failed.is_error, failed.content[0].text) == (True, "No such pet.")

    async def test_is_told_of_a_name_that_is_none(self, sofa):
        async with agent(sofa.client) as client:
            with pytest.raises(MCPError, match="no tool 'fly'"):
                await client.call_tool("fly", {})

    async def test_turns_the_pages_of_a_long_list(self, sofa, monkeypatch):
        monkeypatch.setattr(mcp_server, "PAGE_SIZE", 2)
        await sofa.sync(many(5))
        found, cursor = [], None
        async with agent(sofa.client) as client:
            while not found or cursor:
                page = await client.list_tools(cursor=cursor)
                cursor = page.next_cursor
                found.append([tool.name for tool in page.tools])
            with pytest.raises(MCPError, match="cursor"):
                await client.list_tools(cursor="nonsense")
        assert found == [["thing-0", "thing-1"], ["thing-2", "thing-3"], ["thing-4"]]


class TestWhatAnAgentMay:
    async def test_is_what_its_token_may(self, sofa, acme, api, resources):
        await sofa.sync(PETS)
        async with connect(api, await issue(resources, acme.tenant, ("handlers:read",))) as reader:
            assert await names(reader) == ["list-pets"]
            async with agent(reader) as client:
                result = await client.call_tool("list-pets", {})
        assert result.is_error
        assert result.content[0].text.startswith("scope_missing: ")
        assert sofa.upstream.requests[-1].path == "/sofa/openapi.json"

    @pytest.mark.parametrize(("scopes", "status"), [(("integrations:read",), 403), (None, 401)])
    async def test_is_nothing_without_one(self, sofa, acme, api, resources, scopes, status):
        token = await issue(resources, acme.tenant, scopes) if scopes else None
        async with connect(api, token) as stranger:
            assert (await stranger.post("/mcp", json={})).status_code == status

    async def test_is_its_tenants_own(self, sofa, globex):
        await sofa.sync(PETS)
        assert await names(globex.client) == []
        async with agent(globex.client) as client:
            with pytest.raises(MCPError, match="no tool"):
                await client.call_tool("list-pets", {})
        assert (await globex.client.post(f"{sofa.address}/mcp", json=TOOLS_LIST)).status_code == 404

    async def test_is_enabled(self, sofa):
        await sofa.sync(PETS)
        await sofa.edit("list-pets", enabled=False)
        assert await names(sofa.client) == []
        async with agent(sofa.client) as client:
            result = await client.call_tool("list-pets", {})
        assert result.content[0].text.startswith("handler_disabled: ")

    async def test_is_of_one_integration_where_that_is_named(self, sofa, acme, api, upstream, resources):
        other = await Sofa.of(acme, upstream, "Other")
        await sofa.sync(PETS)
        await other.sync({"/stores": get("listStores")})
        assert await names(acme.client) == ["list-pets", "list-stores"]
        assert await names(acme.client, f"{other.address}/mcp") == ["list-stores"]
        bound = await issue(resources, acme.tenant, integrationId=other.address.rpartition("/")[2])
        async with connect(api, bound) as client:
            assert await names(client, f"{other.address}/mcp") == ["list-stores"]
            assert (await client.post("/mcp", json={})).status_code == 403
            async with agent(client, f"{other.address}/mcp") as connected:
                with pytest.raises(MCPError, match="no tool"):
                    await connected.call_tool("list-pets", {})


class TestOddRequests:
    @pytest.mark.parametrize(
        "body", [b"", b"[", b"[]", b"7", b'{"jsonrpc": "2.0"}', b'{"jsonrpc": "2.0", "id": 1, "method": "x"}']
    )
    async def test_get_an_answer(self, sofa, body):
        headers = {**JSON, "Accept": "application/json, text/event-stream"}
        response = await sofa.client.post("/mcp", content=body, headers=headers)
        assert response.status_code < 500, response.text

    async def test_find_no_stream(self, sofa):
        assert (await sofa.client.get("/mcp", headers={"Accept": "text/event-stream"})).status_code == 405
