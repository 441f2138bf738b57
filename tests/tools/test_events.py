"""Whoever holds a list of tools hears when it is not true any more."""

import pytest

from app.handlers.tool_events import METADATA, PERMISSIONS, tool_events
from app.models import Event, EventType
from tests.fixtures.app import events_of, rows
from tests.openapi_sync.sofa import get, many, query

pytestmark = pytest.mark.anyio

ENABLED = {"enabled": True, "name": "a", "verification": None}


@pytest.fixture
async def heard(sofa, acme, database):
    """What was heard of tools since one asked last: type and name."""
    seen = set()

    async def listen() -> list[tuple[str, str | None]]:
        new = [row for row in await rows(database, acme, Event) if row.id not in seen]
        seen.update(row.id for row in new)
        return sorted(
            (row.type, row.payload.get("name")) for row in new if row.resource_type in {"tool", "tools"}
        )

    return listen


LIST = ("tools.list_updated", None)


class TestHandler:
    async def test_comes_changes_and_goes_as_a_tool(self, sofa, heard):
        created = await sofa.client.post(f"{sofa.address}/handlers", json={"name": "notify"})
        address = f"{sofa.address}/handlers/{created.json()['id']}"
        assert await heard() == [("tool.created", "notify"), LIST]
        for fields, type in (
            ({"summary": "Tells all."}, "tool.metadata_updated"),
            ({"verification": {"scheme": "github"}}, "tool.permission_changed"),
            ({"enabled": False}, "tool.removed"),
            ({"enabled": True}, "tool.created"),
        ):
            await sofa.client.put(address, json=fields)
            assert await heard() == [(type, "notify"), LIST]
        await sofa.client.delete(address)
        assert await heard() == [("tool.removed", "notify"), LIST]

    async def test_is_none_while_it_is_disabled(self, sofa, heard):
        given = {"name": "notify", "enabled": False}
        created = await sofa.client.post(f"{sofa.address}/handlers", json=given)
        address = f"{sofa.address}/handlers/{created.json()['id']}"
        await sofa.client.put(address, json={"summary": "Tells all."})
        await sofa.client.delete(address)
        assert await heard() == []

    async def test_says_nothing_of_what_no_caller_sees(self, sofa, heard):
        created = await sofa.client.post(f"{sofa.address}/handlers", json={"name": "notify"})
        await heard()
        await sofa.client.put(f"{sofa.address}/handlers/{created.json()['id']}", json={"bodyLimit": 100})
        assert await heard() == []

    async def test_numbers_what_it_says(self, sofa, acme, database):
        await sofa.sync({"/pets": get("listPets")})
        await sofa.edit("list-pets", summary="All of them.")
        await sofa.sync({"/pets": get("listPets", parameters=[query("limit")])})
        told = await events_of(database, acme, "tool")
        assert [(row.type, row.sequence) for row in told] == [
            ("tool.created", 1),
            ("tool.metadata_updated", 2),
            ("tool.metadata_updated", 3),
        ]


class TestSync:
    async def test_tells_of_each_tool_and_once_of_the_list(self, sofa, heard):
        await sofa.sync(many(4))
        assert await heard() == [*(("tool.created", f"thing-{n}") for n in range(4)), LIST]
        await sofa.sync()
        assert await heard() == []
        changed = {**many(3), "/things/0": get("thing-0", summary="Another.")}
        await sofa.sync(changed, onMissing="delete")
        assert await heard() == [
            ("tool.metadata_updated", "thing-0"),
            ("tool.removed", "thing-3"),
            LIST,
        ]

    async def test_tells_of_the_list_where_only_schemas_changed(self, sofa, heard):
        await sofa.sync({"/pets": get("listPets", parameters=[query("limit")])})
        await heard()
        limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
        await sofa.sync({"/pets": get("listPets", parameters=[limit])})
        assert await heard() == [LIST]

    async def test_says_nothing_of_an_operation_that_is_only_missing(self, sofa, heard):
        await sofa.sync(many(2))
        await heard()
        await sofa.sync(many(1))
        assert await heard() == [LIST]
        await sofa.sync(many(1), onMissing="disable")
        assert await heard() == [("tool.removed", "thing-1"), LIST]


class TestIntegration:
    async def test_takes_its_tools_out_of_the_list_and_back(self, sofa, heard):
        await sofa.sync(many(2))
        await heard()
        for verb, count in (("disable", 0), ("enable", 2)):
            await sofa.client.post(f"{sofa.address}/{verb}")
            assert await heard() == [LIST]
            assert len((await sofa.client.get(f"{sofa.address}/tools")).json()) == count
        await sofa.client.delete(sofa.address)
        assert await heard() == [LIST]

    async def test_without_tools_says_nothing(self, sofa, heard):
        await sofa.client.post(f"{sofa.address}/disable")
        assert await heard() == []


class TestKinds:
    @pytest.mark.parametrize("field", [*METADATA, *PERMISSIONS])
    def test_are_told_apart_by_the_field(self, field):
        expected = EventType.TOOL_METADATA_UPDATED if field in METADATA else EventType.TOOL_PERMISSION_CHANGED
        assert tool_events(ENABLED, {**ENABLED, field: "other"}) == [expected]

    def test_may_be_two_of_one_change(self):
        after = {**ENABLED, "name": "b", "verification": {}}
        assert tool_events(ENABLED, after) == [
            EventType.TOOL_METADATA_UPDATED,
            EventType.TOOL_PERMISSION_CHANGED,
        ]

    def test_are_one_where_it_comes_or_goes(self):
        off = {**ENABLED, "enabled": False, "name": "b"}
        assert tool_events(ENABLED, off) == [EventType.TOOL_REMOVED]
        assert tool_events(off, ENABLED) == [EventType.TOOL_CREATED]
