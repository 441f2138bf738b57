from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from app.core import clock
from app.executions.admission import queue
from app.models import Execution
from tests.executions.test_executor import claim_of, claimed, executor_of, make_handler, start
from tests.fixtures.app import audit_actions, connect, issue
from tests.fixtures.upstream import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def handler(resources, acme, upstream):
    return await make_handler(resources, acme, upstream)


def address(handler, verb="execute"):
    return f"/integrations/{handler.integration_id}/handlers/{handler.id}/{verb}"


class TestExecute:
    async def test_answers_with_what_the_upstream_said(self, client, handler, upstream):
        upstream.answer("/in", Answer(200, b'{"n": 1}', {"Content-Type": "application/json"}))
        response = await client.post(address(handler), json={"body": {"a": 1}})

        assert response.status_code == 200
        body = response.json()
        assert (body["statusCode"], body["body"]) == (200, {"n": 1})
        assert body.keys() == {"statusCode", "body", "timestamp", "executionId"}
        assert upstream.requests[0].body == b'{"a":1}'

    async def test_is_a_success_also_when_the_upstream_fails(self, client, handler, upstream):
        upstream.answer("/in", Answer(500, b"broken", {"Content-Type": "text/plain"}))
        response = await client.post(address(handler), json={})

        assert response.status_code == 200
        assert (response.json()["statusCode"], response.json()["body"]) == (500, "broken")

    async def test_takes_the_query_for_arguments_without_a_body(self, client, handler, upstream):
        await client.post(address(handler), json={"query": {"q": "1"}})

        assert upstream.requests[0].body == b'{"q":"1"}'

    async def test_finds_the_handler_by_name(self, client, handler):
        response = await client.post(f"/handlers/{handler.name}/execute", json={})

        assert response.status_code == 200

    async def test_says_which_execution_found_nobody(self, client, resources, acme, upstream):
        target = {"kind": "http", "method": "POST", "url": "http://127.0.0.1:9/"}
        handler = await make_handler(resources, acme, upstream, target=target)
        response = await client.post(address(handler), json={})

        assert response.status_code == 502
        problem = response.json()
        shown = await client.get(f"/executions/{problem['executionId']}")
        assert shown.json()["status"] == "dead"

    async def test_is_recorded_with_who_asked(self, client, handler, acme, database):
        await client.post(address(handler), json={})

        assert await audit_actions(database, acme) == ["handler.executed"]

    async def test_refuses_a_disabled_handler(self, client, resources, acme, upstream):
        handler = await make_handler(resources, acme, upstream, enabled=False)
        response = await client.post(address(handler), json={})

        assert response.status_code == 409
        assert response.json()["code"] == "handler_disabled"

    async def test_needs_its_scope_and_records_the_denial(self, api, resources, acme, handler, database):
        token = await issue(resources, acme.tenant, ("handlers:read",))
        async with connect(api, token) as weak:
            response = await weak.post(address(handler), json={})

        assert response.status_code == 403
        assert await audit_actions(database, acme) == ["access.denied"]

    async def test_is_blind_to_another_tenant(self, globex, handler):
        headers = {"X-Request-Id": "same"}
        foreign = await globex.client.post(address(handler), json={}, headers=headers)
        by_name = await globex.client.post(f"/handlers/{handler.name}/execute", json={}, headers=headers)
        unknown = f"/integrations/{uuid4()}/handlers/{uuid4()}/execute"
        expected = await globex.client.post(unknown, json={}, headers=headers)

        assert foreign.status_code == by_name.status_code == 404
        assert foreign.content == by_name.content == expected.content

    @pytest.mark.parametrize(
        "body",
        [
            {"method": "TRACE"},
            {"headers": {"a b": "x"}},
            {"headers": {"X": "a\nb"}},
            {"query": {"a": 1}},
            {"body": 1, "bdoy": 2},
        ],
    )
    async def test_refuses_what_no_webhook_could_be(self, client, handler, body):
        assert (await client.post(address(handler), json=body)).status_code == 422


class TestIdempotencyKey:
    KEY = {"Idempotency-Key": "k"}

    async def test_gives_the_first_result_again(self, client, handler, upstream):
        upstream.answer("/in", Answer(200, b"first"), Answer(200, b"second"))
        first = await client.post(address(handler), json={"body": {"a": 1}}, headers=self.KEY)
        second = await client.post(address(handler), json={"body": {"a": 1}}, headers=self.KEY)

        assert first.json()["body"] == second.json()["body"] == "first"
        assert first.json()["executionId"] == second.json()["executionId"]
        assert len(upstream.requests) == 1

    async def test_refuses_the_key_for_another_request(self, client, handler):
        await client.post(address(handler), json={"body": {"a": 1}}, headers=self.KEY)
        response = await client.post(address(handler), json={"body": {"a": 2}}, headers=self.KEY)

        assert response.status_code == 422
        assert response.json()["code"] == "idempotency_key_reused"

    async def test_says_so_while_the_first_runs(self, client, resources, acme, handler):
        first = await client.post(address(handler), json={}, headers=self.KEY)
        async with resources.database.transaction(acme.tenant_id) as session:
            values = {"status": "running", "due_at": clock.now(), "finished_at": None}
            await session.execute(update(Execution).values(values))
        response = await client.post(address(handler), json={}, headers=self.KEY)

        assert response.status_code == 409
        assert response.json()["executionId"] == first.json()["executionId"]

    async def test_repeats_that_nobody_answered(self, client, resources, acme, upstream):
        target = {"kind": "http", "method": "POST", "url": "http://127.0.0.1:9/"}
        handler = await make_handler(resources, acme, upstream, target=target)
        answers = [await client.post(address(handler), json={}, headers=self.KEY) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [502, 502]
        assert answers[0].json()["executionId"] == answers[1].json()["executionId"]

    async def test_replays_a_replay_once(self, client, handler):
        execution = (await client.post(address(handler), json={})).json()["executionId"]
        answers = [await client.post(f"/executions/{execution}/replay", headers=self.KEY) for _ in range(2)]

        assert answers[0].json() == answers[1].json()


class TestRead:
    async def test_shows_request_response_and_attempts(self, client, handler, upstream):
        upstream.answer("/in", Answer(200, b"\xff\x00", {"Content-Type": "image/x"}))
        executed = await client.post(
            address(handler), json={"body": {"a": 1}, "headers": {"Authorization": "Bearer x", "X-A": "b"}}
        )
        shown = (await client.get(f"/executions/{executed.json()['executionId']}")).json()

        assert shown["handlerId"] == str(handler.id)
        assert (shown["trigger"], shown["status"]) == ("manual", "succeeded")
        assert shown["request"]["body"] == {"encoding": "utf-8", "data": '{"a":1}'}
        assert ["Authorization", "[redacted]"] in shown["request"]["headers"]
        assert shown["response"]["statusCode"] == 200
        assert shown["response"]["body"] == {"encoding": "base64", "data": "/wA="}
        (attempt,) = shown["attempts"]
        assert (attempt["number"], attempt["statusCode"], attempt["error"]) == (1, 200, None)

    async def test_lists_by_integration_handler_status_and_time(
        self, client, resources, acme, handler, upstream
    ):
        other = await make_handler(resources, acme, upstream)
        for each in (handler, other):
            await client.post(address(each), json={})

        async def listed(path, **params):
            response = await client.get(path, params=params)
            assert response.status_code == 200, response.text
            return [row["handlerId"] for row in response.json()]

        assert await listed("/executions") == [str(other.id), str(handler.id)]
        assert await listed(f"/integrations/{handler.integration_id}/executions") == [str(handler.id)]
        assert await listed("/executions", handler=str(other.id)) == [str(other.id)]
        assert await listed("/executions", status="dead") == []
        assert await listed("/executions", trigger="manual", to="2020-01-01T00:00:00Z") == []
        assert (await client.get("/executions?status=odd")).status_code == 422

    async def test_knows_no_executions_of_an_integration_that_is_not_there(self, client):
        assert (await client.get(f"/integrations/{uuid4()}/executions")).status_code == 404


class TestReplay:
    async def test_runs_the_same_request_as_a_new_execution(
        self, client, resources, acme, handler, upstream, database
    ):
        first = (await client.post(address(handler), json={"body": {"a": 1}})).json()["executionId"]
        response = await client.post(f"/executions/{first}/replay")

        assert response.status_code == 202
        assert response.headers["location"] == f"/executions/{response.json()['id']}"
        assert (response.json()["replayOf"], response.json()["status"]) == (first, "queued")
        claim = await claimed(resources, acme, await find(resources, acme, response.json()["id"]))
        await executor_of(resources).run(claim)
        assert upstream.requests[0].body == upstream.requests[1].body
        assert "execution.replayed" in await audit_actions(database, acme)

    async def test_refuses_a_handler_that_was_disabled_since(self, client, resources, acme, handler):
        first = (await client.post(address(handler), json={})).json()["executionId"]
        async with resources.database.transaction(acme.tenant_id) as session:
            (await session.get_one(type(handler), (acme.tenant_id, handler.id))).enabled = False

        assert (await client.post(f"/executions/{first}/replay")).status_code == 409


class TestCancel:
    async def test_stops_what_is_queued(self, client, resources, acme, handler, database):
        claim = await start(resources, acme, handler, make=queue)
        response = await client.post(f"/executions/{claim.id}/cancel")

        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
        assert await audit_actions(database, acme) == ["execution.cancelled"]

    @pytest.mark.parametrize(
        ("status", "code"), [("running", "execution_running"), ("succeeded", "execution_finished")]
    )
    async def test_refuses_what_runs_or_has_ended(self, client, resources, acme, handler, status, code):
        claim = await start(resources, acme, handler, make=queue)
        async with resources.database.transaction(acme.tenant_id) as session:
            values = {"status": status} if status == "running" else {"status": status, "due_at": None}
            await session.execute(update(Execution).where(Execution.id == claim.id).values(values))
        response = await client.post(f"/executions/{claim.id}/cancel")

        assert response.status_code == 409
        assert response.json()["code"] == code


async def find(resources, member, id):
    async with resources.database.transaction(member.tenant_id) as session:
        execution = await session.get_one(Execution, (member.tenant_id, UUID(id)))
    return claim_of(execution)
