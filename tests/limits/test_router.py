"""Limits as people set and see them."""

from datetime import timedelta

import pytest

from app.core import clock
from app.core.settings import Settings
from app.limits.limiter import Limiter
from app.models import AuditRecord, Handler
from tests.fixtures.app import add_integration, connect, issue, rows
from tests.fixtures.tenant import spend

pytestmark = pytest.mark.anyio

NOTHING = {"webhooksPerSecond": None, "burst": None, "executionsPerDay": None}


async def add_handler(member) -> None:
    address = f"{await add_integration(member.client)}/handlers"
    response = await member.client.post(address, json={"name": "x"})
    assert response.status_code == 201, response.text


@pytest.fixture
async def handlers(client):
    return f"{await add_integration(client)}/handlers"


@pytest.fixture
async def handler(client, handlers):
    """The address of a handler with every limit."""
    limits = {"rateLimit": {"requests": 5, "per": 60}, "allowedCidrs": ["192.0.2.1", "10.9.9.9/8"]}
    response = await client.post(handlers, json={"name": "limited", **limits})
    assert response.status_code == 201, response.text
    return response.headers["location"]


class TestHandlers:
    async def test_show_their_limits_in_the_normal_form(self, client, handler):
        shown = (await client.get(handler)).json()
        assert shown["rateLimit"] == {"requests": 5, "per": 60, "burst": 5}
        assert shown["allowedCidrs"] == ["10.0.0.0/8", "192.0.2.1/32"]

    async def test_lose_them_by_null(self, client, handler):
        changed = await client.put(handler, json={"rateLimit": None, "allowedCidrs": None})
        assert changed.status_code == 200
        assert (changed.json()["rateLimit"], changed.json()["allowedCidrs"]) == (None, None)

    async def test_keep_what_a_change_does_not_name(self, client, handler):
        changed = (await client.put(handler, json={"summary": "x"})).json()
        assert changed["rateLimit"]["requests"] == 5
        assert len(changed["allowedCidrs"]) == 2

    async def test_record_what_changed(self, client, handler, acme, database):
        await client.put(handler, json={"rateLimit": {"requests": 5, "per": 60, "burst": 9}})
        record = (await rows(database, acme, AuditRecord))[-1]
        assert record.action == "handler.updated"
        assert record.changes == {
            "rateLimit": {
                "before": {"requests": 5, "per": 60, "burst": 5},
                "after": {"requests": 5, "per": 60, "burst": 9},
            }
        }

    async def test_record_nothing_where_the_same_is_written_otherwise(self, client, handler, acme, database):
        before = len(await rows(database, acme, AuditRecord))
        same = {"rateLimit": {"requests": 5, "per": 60}, "allowedCidrs": ["::ffff:192.0.2.1", "10.0.0.0/8"]}
        assert (await client.put(handler, json=same)).status_code == 200
        assert len(await rows(database, acme, AuditRecord)) == before

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"rateLimit": {"requests": 0, "per": 1}}, "/rateLimit/requests"),
            ({"rateLimit": {"requests": 1_000_001, "per": 1}}, "/rateLimit/requests"),
            ({"rateLimit": {"requests": 1.5, "per": 1}}, "/rateLimit/requests"),
            ({"rateLimit": {"requests": "1", "per": 1}}, "/rateLimit/requests"),
            ({"rateLimit": {"requests": True, "per": 1}}, "/rateLimit/requests"),
            ({"rateLimit": {"requests": 1}}, "/rateLimit/per"),
            ({"rateLimit": {"requests": 1, "per": 0}}, "/rateLimit/per"),
            ({"rateLimit": {"requests": 1, "per": 86_401}}, "/rateLimit/per"),
            ({"rateLimit": {"requests": 1, "per": 1, "burst": 0}}, "/rateLimit/burst"),
            ({"rateLimit": {"requests": 1, "per": 1, "queue": 1}}, "/rateLimit/queue"),
            ({"rateLimit": 5}, "/rateLimit"),
            ({"allowedCidrs": []}, "/allowedCidrs"),
            ({"allowedCidrs": "10.0.0.0/8"}, "/allowedCidrs"),
            ({"allowedCidrs": ["10.0.0.0/8", "example.com"]}, "/allowedCidrs/1"),
            ({"allowedCidrs": ["10.0.0.0/33"]}, "/allowedCidrs/0"),
            ({"allowedCidrs": [7]}, "/allowedCidrs/0"),
            ({"allowedCidrs": [None]}, "/allowedCidrs/0"),
            ({"allowedCidrs": [f"10.0.0.{n}" for n in range(101)]}, "/allowedCidrs"),
        ],
    )
    async def test_refuse_what_is_no_limit(self, client, handlers, handler, fields, pointer):
        for answer in (
            await client.post(handlers, json={"name": "other", **fields}),
            await client.put(handler, json=fields),
        ):
            assert answer.status_code == 422, answer.text
            assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]

    async def test_keep_them_when_their_document_is_synced_again(self, client):
        home = await add_integration(client, "Synced")
        document = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}}
        document["paths"]["/x"] = {"get": {"operationId": "x", "responses": {"200": {"description": "x"}}}}
        address = f"{home}/sync-handlers/document"
        assert (await client.post(address, json=document)).json()["created"] == 1
        (synced,) = (await client.get(f"{home}/handlers")).json()
        limits = {"rateLimit": {"requests": 5, "per": 60, "burst": 9}, "allowedCidrs": ["10.0.0.0/8"]}
        await client.put(f"{home}/handlers/{synced['id']}", json=limits)

        document["paths"]["/x"]["get"]["summary"] = "Another"
        assert (await client.post(address, json=document)).json()["updated"] == 1
        (again,) = (await client.get(f"{home}/handlers")).json()
        assert (again["summary"], again | limits) == ("Another", again)

    async def test_are_read_by_the_limiter_as_they_are_stored(self, client, handler, acme, resources):
        (row,) = await rows(resources.database, acme, Handler)
        limits = Limiter(resources.database, resources.settings).policy_of(row, acme.tenant)
        assert limits.meters[0].rate.burst == 5
        assert "10.200.0.1" in limits.allowed
        assert "192.0.2.2" not in limits.allowed


class TestTenants:
    async def test_have_none_of_their_own_at_first(self, operator, acme):
        assert (await operator.get(f"/tenants/{acme.tenant_id}")).json()["limits"] == NOTHING

    async def test_take_all_of_them_at_once(self, operator, acme):
        address = f"/tenants/{acme.tenant_id}"
        first = await operator.put(address, json={"limits": {"webhooksPerSecond": 2.5, "burst": 10}})
        assert first.json()["limits"] == NOTHING | {"webhooksPerSecond": 2.5, "burst": 10}
        named = await operator.put(address, json={"name": "Acme"})
        assert named.json()["limits"] == first.json()["limits"]
        second = await operator.put(address, json={"limits": {"executionsPerDay": 7}})
        assert second.json()["limits"] == NOTHING | {"executionsPerDay": 7}
        for nothing in ({}, None):
            last = await operator.put(address, json={"limits": nothing})
            assert (last.status_code, last.json()["limits"]) == (200, NOTHING)

    async def test_are_made_with_them(self, operator):
        response = await operator.post("/tenants", json={"slug": "x", "limits": {"webhooksPerSecond": 3}})
        assert response.status_code == 201
        assert response.json()["limits"]["webhooksPerSecond"] == 3

    async def test_made_again_with_other_limits_are_others(self, operator):
        key = {"Idempotency-Key": "k"}
        bodies = [{"slug": "x", "limits": {"burst": 1}}, {"slug": "x", "limits": {"burst": 2}}]
        answers = [await operator.post("/tenants", json=body, headers=key) for body in bodies]
        assert [answer.status_code for answer in answers] == [201, 422]

    async def test_record_what_changed(self, operator, acme, database):
        await operator.put(f"/tenants/{acme.tenant_id}", json={"limits": {"burst": 10}})
        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.actor_type) == ("tenant.updated", "operator")
        assert record.changes == {"limits": {"before": None, "after": {"burst": 10}}}

    @pytest.mark.parametrize(
        ("limits", "pointer"),
        [
            ({"webhooksPerSecond": 0}, "/limits/webhooksPerSecond"),
            ({"webhooksPerSecond": -1}, "/limits/webhooksPerSecond"),
            ({"webhooksPerSecond": 1e7}, "/limits/webhooksPerSecond"),
            ({"webhooksPerSecond": "1"}, "/limits/webhooksPerSecond"),
            ({"burst": 0}, "/limits/burst"),
            ({"burst": 1.5}, "/limits/burst"),
            ({"executionsPerDay": -1}, "/limits/executionsPerDay"),
            ({"executionsPerDay": 2**63}, "/limits/executionsPerDay"),
            ({"executionsPerMonth": 1}, "/limits/executionsPerMonth"),
            ([], "/limits"),
        ],
    )
    async def test_refuse_what_is_no_limit(self, operator, acme, limits, pointer):
        response = await operator.put(f"/tenants/{acme.tenant_id}", json={"limits": limits})
        assert response.status_code == 422, response.text
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]

    async def test_cannot_raise_their_own(self, client, acme):
        response = await client.put(f"/tenants/{acme.tenant_id}", json={"limits": {}})
        assert (response.status_code, response.json()["code"]) == (403, "operators_only")


class TestUsage:
    async def test_is_nothing_at_first(self, client):
        today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        response = await client.get("/usage")
        assert response.status_code == 200
        assert response.json() == [
            {
                "metric": "executions",
                "period": "day",
                "used": 0,
                "limit": None,
                "remaining": None,
                "startedAt": clock.to_wire(today),
                "resetsAt": clock.to_wire(today + timedelta(days=1)),
            }
        ]

    async def test_is_told_with_the_limit_and_to_its_tenant_alone(
        self, client, operator, acme, globex, resources
    ):
        await operator.put(f"/tenants/{acme.tenant_id}", json={"limits": {"executionsPerDay": 100}})
        for member, times in ((acme, 30), (globex, 2)):
            await add_handler(member)
            await spend(resources, member.tenant_id, times)

        (usage,) = (await client.get("/usage")).json()
        assert (usage["used"], usage["limit"], usage["remaining"]) == (30, 100, 70)
        (other,) = (await globex.client.get("/usage")).json()
        assert (other["used"], other["limit"], other["remaining"]) == (2, None, None)

    async def test_is_measured_by_the_services_limit_where_there_is_no_other(self, routes, client):
        routes.state.settings = Settings(_env_file=None, tenant_executions_per_day=5)
        (usage,) = (await client.get("/usage")).json()
        assert (usage["limit"], usage["remaining"]) == (5, 5)

    async def test_asks_for_its_scope(self, api, acme, resources):
        for scope, status in (("usage:read", 200), ("audit:read", 403)):
            token = await issue(resources, acme.tenant, (scope,))
            async with connect(api, token) as client:
                assert (await client.get("/usage")).status_code == status
