"""How a tenant gets its first token over the API: from the operator."""

import pytest
from sqlalchemy import select

from app.models import AccessToken, AuditRecord, Event
from tests.fixtures.app import connect, rows

pytestmark = pytest.mark.anyio

UNKNOWN = "01900000-0000-7000-8000-000000000000"
WANTED = {"name": "first", "scopes": ["*"]}


@pytest.fixture
def tokens(acme):
    """The address at which the operator makes a token for the tenant."""
    return f"/tenants/{acme.tenant_id}/access-tokens"


class TestCreateFirst:
    async def test_gives_the_operator_a_token_that_works_for_the_tenant(self, operator, tokens, api, acme):
        integration = (await acme.client.post("/integrations", json={"name": "Telegram Bot"})).json()

        response = await operator.post(tokens, json=WANTED)

        assert response.status_code == 201, response.text
        made = response.json()
        assert response.headers["location"] == f"/access-tokens/{made['id']}"
        assert response.headers["cache-control"] == "no-store"
        async with connect(api, made["token"]) as client:
            assert (await client.get("/integrations")).json() == [integration]
            assert (await client.get(response.headers["location"])).json()["name"] == "first"

    async def test_records_the_operator_as_who_made_it(self, operator, tokens, acme, database):
        made = (await operator.post(tokens, json=WANTED, headers={"X-Request-Id": "first-token"})).json()

        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.resource_id) == ("access_token.created", made["id"])
        assert (record.actor_type, record.actor_name) == ("operator", "operator")
        assert record.request_id == "first-token"
        assert made["token"] not in str(record.changes)
        event = (await rows(database, acme, Event))[-1]
        assert (event.type, event.actor_type) == ("access_token.created", "operator")

    async def test_answers_a_repeated_key_with_the_same_token(self, operator, tokens, acme, database):
        before = len(await rows(database, acme, AccessToken))
        first = await operator.post(tokens, json=WANTED, headers={"Idempotency-Key": "once"})
        again = await operator.post(tokens, json=WANTED, headers={"Idempotency-Key": "once"})

        assert again.headers["idempotent-replayed"] == "true"
        assert again.json() == first.json()
        assert len(await rows(database, acme, AccessToken)) == before + 1

    async def test_refuses_a_key_that_was_used_for_another_body(self, operator, tokens):
        await operator.post(tokens, json=WANTED, headers={"Idempotency-Key": "once"})
        other = await operator.post(
            tokens, json={**WANTED, "name": "second"}, headers={"Idempotency-Key": "once"}
        )

        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    @pytest.mark.parametrize("tenant", [UNKNOWN, "acme", "1"])
    async def test_answers_404_for_a_tenant_that_is_not_there(self, operator, tenant):
        response = await operator.post(f"/tenants/{tenant}/access-tokens", json=WANTED)

        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    async def test_grants_nothing_that_no_tenant_can_hold(self, operator, tokens):
        response = await operator.post(tokens, json={"name": "first", "scopes": ["tenants:admin"]})

        assert (response.status_code, response.json()["code"]) == (422, "scope_not_known")

    async def test_refuses_a_tenants_own_token_and_records_the_attempt(self, tokens, acme, database):
        before = len(await rows(database, acme, AccessToken))
        response = await acme.client.post(tokens, json=WANTED)

        assert (response.status_code, response.json()["code"]) == (403, "operators_only")
        assert len(await rows(database, acme, AccessToken)) == before
        assert (await rows(database, acme, AuditRecord))[-1].action == "access.denied"

    async def test_tells_another_tenant_the_same_whatever_the_id(self, tokens, globex):
        known = await globex.client.post(tokens, json=WANTED, headers={"X-Request-Id": "same"})
        unknown = await globex.client.post(
            f"/tenants/{UNKNOWN}/access-tokens", json=WANTED, headers={"X-Request-Id": "same"}
        )

        assert known.status_code == unknown.status_code == 403
        assert known.content == unknown.content

    async def test_refuses_nobody_in_particular(self, anonymous, tokens):
        assert (await anonymous.post(tokens, json=WANTED)).status_code == 401

    async def test_opens_nothing_else(self, operator):
        for path in ("/integrations", "/access-tokens", "/audit-logs"):
            assert (await operator.get(path)).status_code == 401

    async def test_stores_no_token_in_the_clear(self, operator, tokens, acme, database):
        token = (await operator.post(tokens, json=WANTED)).json()["token"]

        async with database.transaction(acme.tenant_id) as session:
            stored = (await session.scalars(select(AccessToken))).all()
        assert all(token.encode() != row.hash and token not in row.prefix for row in stored)
