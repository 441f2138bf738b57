"""Webhooks that are too many, or from elsewhere."""

import pytest

from tests.fixtures.app import add_integration

pytestmark = pytest.mark.anyio


async def make_handler(client, **fields):
    home = await add_integration(client)
    response = await client.post(f"{home}/handlers", json={"name": "h", **fields})
    assert response.status_code == 201, response.text


async def statuses(anonymous, headers):
    return [
        (await anonymous.post("/webhook/acme/h", json={}, headers=given)).status_code for given in headers
    ]


class TestRate:
    async def test_refuses_what_is_more_than_the_handler_takes(self, client, acme, anonymous):
        await make_handler(client, rateLimit={"requests": 2, "per": 60})
        assert await statuses(anonymous, [{}, {}, {}]) == [202, 202, 429]
        refused = await anonymous.post("/webhook/acme/h", json={})

        assert refused.json()["code"] == "rate_limited"
        assert 0 < int(refused.headers["retry-after"]) <= 30

    async def test_is_not_spent_by_strangers(self, client, acme, anonymous):
        await make_handler(client, rateLimit={"requests": 1, "per": 60}, verification={"scheme": "bearer"})
        token = {"Authorization": f"Bearer {acme.token}"}

        assert await statuses(anonymous, [{}, {}, token]) == [401, 401, 202]


class TestQuota:
    async def test_counts_each_delivery_once(self, client, acme, operator, anonymous):
        await operator.put(f"/tenants/{acme.tenant_id}", json={"limits": {"executionsPerDay": 2}})
        await make_handler(client)
        same = {"Idempotency-Key": "k"}

        assert await statuses(anonymous, [same, same, same, {}, {}]) == [202, 202, 202, 202, 429]


class TestAddress:
    async def test_is_refused_when_it_is_not_on_the_list(self, client, acme, anonymous):
        await make_handler(client, allowedCidrs=["192.0.2.0/24"])
        response = await anonymous.post("/webhook/acme/h", json={})

        assert (response.status_code, response.json()["code"]) == (403, "address_not_allowed")

    async def test_is_let_in_when_it_is(self, client, acme, anonymous):
        await make_handler(client, allowedCidrs=["192.0.2.0/24", "127.0.0.1"])

        assert await statuses(anonymous, [{}]) == [202]
