import asyncio

import pytest

from app.idempotency.repository import IdempotencyRepository
from app.idempotency.service import fingerprint
from app.models import IdempotencyKey
from tests.fixtures.app import add_integration, audit_actions, connect, issue, rows

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "k1"}
BODY = {"name": "x"}


async def post(client, path="/integrations", body=BODY, headers=KEY):
    return await client.post(path, json=body, headers=headers)


class TestRepeat:
    async def test_gets_the_first_answer_and_has_no_second_effect(self, client, acme, database):
        first = await post(client)
        second = await post(client)

        assert (first.status_code, second.status_code) == (201, 201)
        assert second.content == first.content
        for name in ("location", "etag", "content-type"):
            assert second.headers[name] == first.headers[name]
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert second.headers["x-request-id"] != first.headers["x-request-id"]
        assert await audit_actions(database, acme) == ["integration.created"]

    async def test_gets_the_answer_of_then_and_not_of_now(self, client):
        first = await post(client)
        await client.put(first.headers["location"], json={"name": "renamed"})

        assert (await post(client)).json()["name"] == "x"

    async def test_is_shown_a_token_again(self, client):
        body = {"name": "ci", "scopes": ["integrations:read"]}
        first = await post(client, "/access-tokens", body)
        second = await post(client, "/access-tokens", body)

        assert second.json()["token"] == first.json()["token"]
        assert second.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("raw", ['{"name": "y"}', '{"name": "x"}'])
    async def test_of_other_bytes_is_another_request(self, client, raw):
        await post(client)
        headers = {**KEY, "Content-Type": "application/json"}
        response = await client.post("/integrations", content=raw, headers=headers)

        assert response.status_code == 422
        assert response.json()["code"] == "idempotency_key_reused"

    async def test_with_another_query_is_another_request(self, client):
        await post(client)

        assert (await post(client, "/integrations?dryRun=true")).status_code == 422

    async def test_by_somebody_with_other_rights_is_another_request(self, api, resources, acme):
        body = {"name": "ci", "scopes": ["integrations:read"]}
        first = await post(acme.client, "/access-tokens", body)
        weaker = await issue(resources, acme.tenant, ("access_tokens:write", "integrations:read"))
        async with connect(api, weaker) as client:
            response = await post(client, "/access-tokens", body)

        assert response.status_code == 422
        assert first.json()["token"] not in response.text

    async def test_by_a_rotated_token_of_the_same_rights_is_the_same_request(self, api, resources, acme):
        first = await post(acme.client)
        async with connect(api, await issue(resources, acme.tenant)) as client:
            second = await post(client)

        assert second.content == first.content

    async def test_at_another_address_is_another_request(self, client):
        one = await add_integration(client, "one")
        other = await add_integration(client, "other")
        first = await post(client, f"{one}/handlers", {"name": "a"})
        second = await post(client, f"{other}/handlers", {"name": "b"})

        assert (first.status_code, second.status_code) == (201, 201)

    async def test_of_another_tenant_is_another_request(self, acme, globex):
        first = await post(acme.client)
        other = await post(globex.client)

        assert first.json()["id"] != other.json()["id"]

    async def test_after_a_refusal_is_a_first_request(self, client, acme, database):
        assert (await post(client, body={"name": ""})).status_code == 422
        assert await rows(database, acme, IdempotencyKey) == []
        assert (await post(client)).status_code == 201

    async def test_of_an_action_does_not_act_again(self, client):
        address = await add_integration(client)
        await client.post(f"{address}/disable", headers=KEY)
        await client.post(f"{address}/enable")
        response = await client.post(f"{address}/disable", headers=KEY)

        assert response.headers["idempotent-replayed"] == "true"
        assert (await client.get(address)).json()["enabled"]


class TestKey:
    @pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b"])
    async def test_is_any_printable_text(self, client, key):
        assert (await post(client, headers={"Idempotency-Key": key})).status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "x" * 2000])
    async def test_that_is_none_is_refused(self, client, key):
        response = await post(client, headers={"Idempotency-Key": key})

        assert response.status_code in {400, 422}
        assert (await client.get("/integrations")).json() == []

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
    async def test_means_nothing_to_other_methods(self, client, acme, database, method):
        address = await add_integration(client)
        body = {"name": "y"} if method == "PUT" else None
        response = await client.request(method, address, json=body, headers=KEY)

        assert response.is_success
        assert await rows(database, acme, IdempotencyKey) == []


class TestAtRest:
    async def test_neither_answer_nor_body_can_be_read_or_guessed(self, client, acme, database):
        secrets = f"{await add_integration(client)}/secrets"
        body = {"key": "A", "value": "hunter2"}
        await post(client, secrets, body)

        (row,) = await rows(database, acme, IdempotencyKey)
        assert b"jfs1." not in row.sealed_body
        assert "hunter2" not in repr(vars(row))
        assert len(row.fingerprint) == 32

    def test_a_fingerprint_is_of_no_use_without_the_pepper(self):
        assert fingerprint(b"one", b"body") != fingerprint(b"other", b"body")

    def test_a_fingerprint_tells_where_a_part_ends(self):
        assert fingerprint(b"k", b"ab", b"c") != fingerprint(b"k", b"a", b"bc")


class TestRace:
    async def test_has_one_effect_and_no_second_answer(self, committed_acme, committed):
        client = committed_acme.client
        answers = await asyncio.gather(*(post(client) for _ in range(5)))

        assert {answer.status_code for answer in answers} <= {201, 409}
        created = {answer.content for answer in answers if answer.status_code == 201}
        assert len(created) == 1
        for answer in answers:
            if answer.status_code == 409:
                assert answer.json()["code"] == "idempotency_key_in_use"
                assert answer.headers["retry-after"] == "1"
        assert await audit_actions(committed, committed_acme) == ["integration.created"]
        assert (await post(client)).content in created

    async def test_is_a_409_while_the_first_still_runs(self, committed_acme, committed):
        tenant_id = committed_acme.tenant_id
        async with committed.transaction(tenant_id) as session:
            running = IdempotencyRepository(session, tenant_id)
            assert await running.try_lock(f"{tenant_id} POST /integrations k1")
            response = await post(committed_acme.client)
            assert response.status_code == 409
        assert (await post(committed_acme.client)).status_code == 201
