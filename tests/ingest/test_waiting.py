"""Senders that wait for the upstream: mode ``sync``, and ``Prefer`` (RFC 7240)."""

import asyncio

import pytest
from sqlalchemy import select, update

from app.ingest.prefer import Preference, parse
from app.models import Execution, Handler
from tests.executions.test_executor import make_handler
from tests.fixtures.app import Member, connect, join, wire
from tests.fixtures.upstream import Answer

OPEN = {"scheme": "none"}


class TestPrefer:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([], Preference()),
            (["wait=10"], Preference(wait_s=10.0)),
            (['Wait="3"'], Preference(wait_s=3.0)),
            (["respond-async, wait=1"], Preference(1.0, respond_async=True)),
            (["respond-async; x=1"], Preference(respond_async=True)),
            (["wait=-1"], Preference()),
            (["wait=x", "return=minimal"], Preference()),
            (["wait=1, wait=2"], Preference(wait_s=1.0)),
        ],
    )
    def test_takes_the_first_and_ignores_what_is_not_known(self, values, expected):
        assert parse(",".join(values)) == expected


@pytest.fixture
async def acme(resources, routes):
    tenant, token = await join(resources, "acme")
    async with connect(wire(resources, routes)) as client:
        yield Member(tenant, token, client)


@pytest.fixture
def client(acme):
    return acme.client


async def row(resources, acme):
    async with resources.database.transaction(acme.tenant_id) as session:
        return (await session.scalars(select(Execution))).one()


async def until_ended(resources, acme):
    async with asyncio.timeout(10):
        while (execution := await row(resources, acme)).finished_at is None:
            await asyncio.sleep(0.01)
    return execution


@pytest.mark.anyio
class TestSync:
    async def test_passes_on_status_type_and_body(self, client, resources, acme, upstream):
        upstream.answer("/in", Answer(418, b"short and stout", {"Content-Type": "text/tea", "X-Own": "1"}))
        handler = await make_handler(resources, acme, upstream, mode="sync", verification=OPEN)
        response = await client.post(f"/webhook/acme/{handler.name}", json={"a": 1})

        assert (response.status_code, response.content) == (418, b"short and stout")
        assert response.headers["content-type"] == "text/tea"
        assert "x-own" not in response.headers
        execution = await row(resources, acme)
        assert response.headers["x-execution-id"] == str(execution.id)
        assert execution.status == "failed"

    async def test_answers_a_repeated_delivery_as_the_first(self, client, resources, acme, upstream):
        upstream.answer("/in", Answer(200, b"first"), Answer(200, b"second"))
        handler = await make_handler(resources, acme, upstream, mode="sync", verification=OPEN)
        headers = {"Idempotency-Key": "k"}
        answers = [await client.post(f"/webhook/acme/{handler.name}", headers=headers) for _ in range(2)]

        assert [answer.content for answer in answers] == [b"first", b"first"]
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"target": {"kind": "http", "method": "POST", "url": "http://127.0.0.1:9/"}}, 502),
            ({"default_args": {"timeout": 20}}, 504),
        ],
    )
    async def test_says_that_the_upstream_failed(self, client, resources, acme, upstream, fields, status):
        upstream.answer("/in", Answer(release=asyncio.Event()))
        handler = await make_handler(resources, acme, upstream, mode="sync", verification=OPEN, **fields)
        response = await client.post(f"/webhook/acme/{handler.name}")

        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert (await row(resources, acme)).status == "dead"

    async def test_answers_202_when_the_wait_runs_out_and_goes_on(self, client, resources, acme, upstream):
        release = asyncio.Event()
        upstream.answer("/in", Answer(release=release))
        handler = await make_handler(resources, acme, upstream, mode="sync", verification=OPEN)
        response = await client.post(f"/webhook/acme/{handler.name}", headers={"Prefer": "wait=0"})

        assert response.status_code == 202
        release.set()
        execution = await until_ended(resources, acme)
        assert response.json() == {"executionId": str(execution.id), "status": "queued"}
        assert (execution.status, execution.max_attempts) == ("succeeded", 4)

    async def test_lets_the_sender_choose(self, client, resources, acme, upstream):
        upstream.answer("/in", Answer(200, b"now"))
        handler = await make_handler(resources, acme, upstream, verification=OPEN)
        waited = await client.post(f"/webhook/acme/{handler.name}", headers={"Prefer": "wait=5"})
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(Handler).values(mode="sync"))
        left = await client.post(f"/webhook/acme/{handler.name}", headers={"Prefer": "respond-async"})

        assert (waited.status_code, waited.content) == (200, b"now")
        assert left.status_code == 202
