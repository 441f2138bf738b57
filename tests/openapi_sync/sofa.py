"""An integration whose OpenAPI document a test publishes on loopback."""

from collections.abc import Mapping
from typing import Any

import httpx2
import orjson

from tests.fixtures.app import Member, add_integration
from tests.fixtures.upstream import Answer, Upstream

PATH = "/sofa/openapi.json"


def document(paths: Mapping[str, object] | None = None, **more: object) -> bytes:
    return orjson.dumps({"openapi": "3.1.0", "paths": paths or {}, **more})


def get(operation_id: str, **more: object) -> dict[str, object]:
    """A path item of one operation."""
    return {"get": {"operationId": operation_id, **more}}


def query(name: str, default: object = None) -> dict[str, object]:
    return {"name": name, "in": "query", "schema": {"type": "string", "default": default}}


def many(count: int, *, first: int = 0) -> dict[str, object]:
    return {f"/things/{number}": get(f"thing-{number}") for number in range(first, count)}


class Sofa:
    def __init__(self, client: httpx2.AsyncClient, upstream: Upstream, address: str) -> None:
        self.client = client
        self.upstream = upstream
        self.address = address

    @classmethod
    async def of(cls, member: Member, upstream: Upstream, name: str = "Sofa") -> "Sofa":
        return cls(member.client, upstream, await add_integration(member.client, name, baseUrl=upstream.url))

    def publish(self, paths: Mapping[str, object] | None = None, **more: object) -> None:
        self.answer(Answer(body=document(paths, **more)))

    def answer(self, *answers: Answer) -> None:
        self.upstream.answer(PATH, *answers)

    async def post(self, *, dry_run: bool = False, **body: object) -> httpx2.Response:
        params = {"dryRun": "true"} if dry_run else {}
        given = body if body.keys() & {"integrationName", "url"} else {"integrationName": "sofa", **body}
        return await self.client.post(f"{self.address}/sync-handlers", json=given, params=params)

    async def sync(self, paths: Mapping[str, object] | None = None, **body: Any) -> dict[str, Any]:
        """Publish ``paths``, when they are given, and sync."""
        if paths is not None:
            self.publish(paths)
        response = await self.post(**body)
        assert response.status_code == 200, response.text
        return response.json()

    async def handlers(self) -> dict[str, dict[str, Any]]:
        """By name."""
        response = await self.client.get(f"{self.address}/handlers", params={"limit": 200})
        return {row["name"]: row for row in response.json()}

    async def edit(self, name: str, /, **fields: object) -> None:
        id = (await self.handlers())[name]["id"]
        response = await self.client.put(f"{self.address}/handlers/{id}", json=fields)
        assert response.status_code == 200, response.text
