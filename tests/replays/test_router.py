from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.ids import new_id
from app.models import AuditRecord, Execution
from tests.executions.test_executor import make_handler, start
from tests.fixtures.app import audit_actions, connect, issue

pytestmark = pytest.mark.anyio

ADDRESS = "/executions/replay"


@pytest.fixture
async def handler(resources, acme, upstream):
    return await make_handler(resources, acme, upstream)


async def ended(resources, member, handler, status="failed", reason=None):
    """An execution that has come to its end."""
    claim = await start(resources, member, handler)
    async with resources.database.transaction(member.tenant_id) as session:
        await session.execute(
            update(Execution)
            .where(Execution.id == claim.id)
            .values(status=status, status_reason=reason, due_at=None, finished_at=clock.now())
        )
    return claim.id


async def begin(client, rate=None, **filter):
    body = {"filter": filter} if rate is None else {"filter": filter, "ratePerSecond": rate}
    response = await client.post(ADDRESS, json=body)
    assert response.status_code == 202, response.text
    return response.json()


class TestStart:
    async def test_answers_with_the_progress_and_where_it_is_shown(self, client, resources, acme, handler):
        await ended(resources, acme, handler)
        response = await client.post(ADDRESS, json={"filter": {"handlerId": str(handler.id)}})

        assert response.status_code == 202
        body = response.json()
        assert response.headers["location"] == f"/executions/replays/{body['id']}"
        assert body == {
            "id": body["id"],
            "status": "running",
            "filter": {"handlerId": str(handler.id), "status": ["dead", "failed"]},
            "ratePerSecond": 100,
            "matched": 1,
            "replayed": 0,
            "skipped": 0,
            "createdAt": body["createdAt"],
            "finishedAt": None,
        }
        assert (await client.get(response.headers["location"])).json() == body
        assert (await client.get("/executions/replays")).json() == [body]

    async def test_matches_failed_and_dead_unless_told_otherwise(self, client, resources, acme, handler):
        for status in ("succeeded", "failed", "dead", "cancelled"):
            await ended(resources, acme, handler, status)
        await start(resources, acme, handler)  # this one runs
        id = str(handler.id)

        assert (await begin(client, handlerId=id))["matched"] == 2
        assert (await begin(client, handlerId=id, status="succeeded"))["matched"] == 1
        assert (await begin(client, handlerId=id, status=["dead", "cancelled", "dead"]))["matched"] == 2

    async def test_matches_by_each_part_of_the_filter(self, client, resources, acme, handler, upstream):
        other = await make_handler(resources, acme, upstream)
        await ended(resources, acme, handler, "dead", "upstream_timed_out: 100% no answer.")
        await ended(resources, acme, other, "failed", "The upstream answered 404.")
        past, ahead = clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=1)
        since = {"from": past.isoformat()}

        assert (await begin(client, **since))["matched"] == 2
        assert (await begin(client, **since, to=ahead.isoformat()))["matched"] == 2
        assert (await begin(client, **{"from": ahead.isoformat()}))["matched"] == 0
        assert (await begin(client, handlerId=str(other.id), to=past.isoformat()))["matched"] == 0
        assert (await begin(client, integrationId=str(other.integration_id)))["matched"] == 1
        assert (await begin(client, **since, trigger="webhook"))["matched"] == 2
        assert (await begin(client, **since, trigger="manual"))["matched"] == 0
        assert (await begin(client, **since, reason="upstream_timed_out"))["matched"] == 1
        assert (await begin(client, **since, reason="%"))["matched"] == 0

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"filter": {}},
            {"filter": {"status": "dead", "to": "2026-01-01T00:00:00Z"}},
            {"filter": {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}},
            {"filter": {"from": "2026-01-02T00:00:00"}},
            {"filter": {"from": 1767225600}},
            {"filter": {"from": "2026-01-01T00:00:00Z", "status": "running"}},
            {"filter": {"from": "2026-01-01T00:00:00Z", "status": []}},
            {"filter": {"from": "2026-01-01T00:00:00Z", "reason": ""}},
            {"filter": {"from": "2026-01-01T00:00:00Z", "handler": "x"}},
            {"filter": {"from": "2026-01-01T00:00:00Z"}, "ratePerSecond": 0},
            {"filter": {"from": "2026-01-01T00:00:00Z"}, "ratePerSecond": 1001},
            {"filter": {"from": "2026-01-01T00:00:00Z"}, "ratePerSecond": "5"},
        ],
    )
    async def test_refuses_what_would_replay_everything_or_nothing(self, client, body):
        assert (await client.post(ADDRESS, json=body)).status_code == 422

    @pytest.mark.parametrize("field", ["integrationId", "handlerId"])
    async def test_refuses_an_id_of_nothing(self, client, field):
        response = await client.post(ADDRESS, json={"filter": {field: str(new_id())}})
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"/filter/{field}"

    async def test_keeps_to_ten_at_a_time(self, client, handler):
        running = [await begin(client, handlerId=str(handler.id)) for _ in range(10)]
        refused = await client.post(ADDRESS, json={"filter": {"handlerId": str(handler.id)}})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_replays")

        await client.post(f"/executions/replays/{running[0]['id']}/cancel")
        await begin(client, handlerId=str(handler.id))

    async def test_happens_once_for_one_idempotency_key(self, client, resources, acme, handler):
        headers = {"Idempotency-Key": "once"}
        body = {"filter": {"handlerId": str(handler.id)}}
        first, second = [await client.post(ADDRESS, json=body, headers=headers) for _ in range(2)]

        assert first.json() == second.json()
        assert second.headers["idempotent-replayed"] == "true"
        assert len((await client.get("/executions/replays")).json()) == 1

    async def test_is_recorded(self, client, resources, acme, handler):
        started = await begin(client, handlerId=str(handler.id))
        async with resources.database.transaction(acme.tenant_id) as session:
            query = select(AuditRecord).where(AuditRecord.action == "replay.started")
            record = (await session.scalars(query)).one()
        assert record.resource_id == started["id"]
        assert record.changes == {"filter": started["filter"], "matched": 0}

    async def test_needs_its_scope(self, api, resources, acme, handler):
        token = await issue(resources, acme.tenant, ("executions:read",))
        async with connect(api, token) as client:
            response = await client.post(ADDRESS, json={"filter": {"handlerId": str(handler.id)}})
        assert response.status_code == 403


class TestCancel:
    async def test_ends_it_once(self, client, resources, acme, handler):
        started = await begin(client, handlerId=str(handler.id))
        address = f"/executions/replays/{started['id']}"
        response = await client.post(f"{address}/cancel")
        again = await client.post(f"{address}/cancel")

        assert (response.status_code, response.json()["status"]) == (200, "cancelled")
        assert response.json()["finishedAt"] is not None
        assert (await client.get(address)).json() == response.json()
        assert (again.status_code, again.json()["code"]) == (409, "replay_ended")
        assert await audit_actions(resources.database, acme) == ["replay.started", "replay.cancelled"]

    async def test_knows_no_other(self, client):
        assert (await client.post(f"/executions/replays/{new_id()}/cancel")).status_code == 404


class TestList:
    async def test_of_executions_can_be_narrowed_to_a_reason(self, client, resources, acme, handler):
        id = await ended(resources, acme, handler, "dead", "upstream_timed_out: no answer.")
        await ended(resources, acme, handler, "dead", "upstream_failed: nobody there.")

        response = await client.get("/executions?reason=upstream_timed_out")
        assert [UUID(row["id"]) for row in response.json()] == [id]

    async def test_shows_the_newest_first(self, client, handler):
        ids = [(await begin(client, handlerId=str(handler.id)))["id"] for _ in range(3)]
        first = await client.get("/executions/replays?limit=2")
        rest = await client.get(first.links["next"]["url"])
        assert [row["id"] for row in first.json() + rest.json()] == ids[::-1]
