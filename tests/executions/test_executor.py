"""One execution, from its claim to its end, against a real upstream and a real database."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.core import clock
from app.core.ids import new_id
from app.core.secret import Secret as Plaintext
from app.db.errors import RoleTooWeak
from app.db.session import driver_of
from app.engine.claim import Claim
from app.executions.admission import Received, hold, queue, recipient_of
from app.executions.claims import check_may_claim
from app.executions.executor import Executor
from app.executions.job import MAX_INTERRUPTIONS
from app.executions.repository import admit_all
from app.executions.source import ExecutionSource
from app.models import Attempt, AuditRecord, Event, Execution, Handler, Integration, Secret, Trigger
from app.sealing.service import Sealer
from app.services import create_plans
from tests.fixtures.upstream import Answer

pytestmark = pytest.mark.anyio

JSON = [("Content-Type", "application/json")]


@pytest.fixture
def executor(resources):
    return executor_of(resources)


def executor_of(resources, database=None):
    return Executor(source_of(resources, database))


def source_of(resources, database=None):
    database = database or resources.database
    return ExecutionSource(database, create_plans(resources, database), resources.calls)


async def make_handler(resources, member, upstream, **fields):
    async with resources.database.transaction(member.tenant_id) as session:
        name = f"h-{new_id()}"
        integration = Integration(
            id=new_id(), tenant_id=member.tenant_id, name=name, folded_name=name, base_url=upstream.url
        )
        session.add(integration)
        await session.flush()
        id = new_id()
        sealer = Sealer(session, member.tenant_id, resources.keys)
        sealed = await sealer.seal(Plaintext("very-secret-value"), "secrets", id)
        session.add_all(
            [
                Secret(
                    id=id,
                    tenant_id=member.tenant_id,
                    integration_id=integration.id,
                    key="API_KEY",
                    sealed=sealed,
                ),
                handler := Handler(
                    id=new_id(),
                    tenant_id=member.tenant_id,
                    integration_id=integration.id,
                    name=name,
                    target=fields.pop("target", None)
                    or {
                        "kind": "http",
                        "method": "POST",
                        "url": "/in",
                        "headers": {"X-Key": "{{secrets.API_KEY}}"},
                    },
                    **fields,
                ),
            ]
        )
    return handler


async def start(resources, member, handler, body=b'{"a": 1}', make=hold):
    received = Received(method="POST", headers=JSON, body=body)
    async with resources.database.transaction(member.tenant_id) as session:
        integration = await session.get_one(Integration, (member.tenant_id, handler.integration_id))
        new = make(recipient_of(handler, integration.base_url), Trigger.WEBHOOK, received)
        await admit_all(await driver_of(session), [new])
    return new.claim


async def read(resources, member, claim):
    async with resources.database.transaction(member.tenant_id) as session:
        execution = await session.get_one(Execution, (member.tenant_id, claim.id))
        attempts = (await session.scalars(select(Attempt).order_by(Attempt.number))).all()
        events = (await session.scalars(select(Event.type).where(Event.resource_id == str(claim.id)))).all()
    return execution, attempts, events


class TestRun:
    async def test_sends_arguments_over_defaults_and_secrets(self, executor, resources, acme, upstream):
        upstream.answer("/in", Answer(201, b'{"ok":true}', {"Content-Type": "application/json"}))
        handler = await make_handler(
            resources, acme, upstream, default_args={"a": 0, "b": 2, "timeout": 5000}
        )
        claim = await start(resources, acme, handler)
        await executor.run(claim)

        (asked,) = upstream.requests
        assert asked.body == b'{"a":1,"b":2}'
        assert asked.headers["x-key"] == "very-secret-value"
        assert asked.headers["idempotency-key"] == str(claim.id)
        execution, (attempt,), events = await read(resources, acme, claim)
        assert (execution.status, execution.due_at) == ("succeeded", None)
        assert (attempt.number, attempt.status_code, attempt.response_body) == (1, 201, b'{"ok":true}')
        assert events == ["execution.succeeded"]

    async def test_keeps_no_secret_that_the_upstream_echoes(self, executor, resources, acme, upstream):
        upstream.answer("/in", Answer(200, b"you sent very-secret-value", {"X-Echo": "very-secret-value"}))
        claim = await start(resources, acme, await make_handler(resources, acme, upstream))
        outcome = await executor.run(claim)

        _, (attempt,), _ = await read(resources, acme, claim)
        assert attempt.response_body == b"you sent [redacted]"
        assert ["X-Echo", "[redacted]"] in attempt.response_headers
        assert b"very-secret" not in outcome.body

    async def test_records_in_the_audit_log_what_a_webhook_caused(self, executor, resources, acme, upstream):
        claim = await start(resources, acme, await make_handler(resources, acme, upstream))
        await executor.run(claim)

        async with resources.database.transaction(acme.tenant_id) as session:
            query = select(AuditRecord).where(AuditRecord.action == "handler.executed")
            (record,) = await session.scalars(query)
        assert record.actor_type == "webhook"
        assert record.resource_id == str(claim.id)
        assert record.changes["status"] == "succeeded"

    async def test_runs_a_store_handler_without_a_call(self, executor, resources, acme, upstream):
        handler = await make_handler(resources, acme, upstream, target={"kind": "store"})
        claim = await start(resources, acme, handler)
        await executor.run(claim)

        execution, attempts, events = await read(resources, acme, claim)
        assert (execution.status, attempts, events) == ("succeeded", [], ["execution.succeeded"])
        assert upstream.requests == []

    async def test_fails_for_good_what_cannot_be_built(self, executor, resources, acme, upstream):
        target = {"kind": "http", "method": "POST", "url": "/{{args.missing}}"}
        claim = await start(
            resources, acme, await make_handler(resources, acme, upstream, target=target), make=queue
        )
        claim = await claimed(resources, acme, claim)
        await executor.run(claim)

        execution, (attempt,), events = await read(resources, acme, claim)
        assert execution.status == "failed"
        assert "missing" in attempt.error
        assert events == ["execution.failed"]

    async def test_refuses_a_private_upstream_that_nobody_allowed(self, executor, resources, acme, upstream):
        target = {"kind": "http", "method": "POST", "url": "http://169.254.169.254/latest/meta-data"}
        claim = await start(resources, acme, await make_handler(resources, acme, upstream, target=target))
        await executor.run(claim)

        execution, (attempt,), _ = await read(resources, acme, claim)
        assert execution.status == "failed"
        assert attempt.error.startswith("egress_refused")


def claim_of(execution):
    return Claim(execution.tenant_id, execution.id, execution.fence, execution.lane)


async def claimed(resources, member, claim):
    """The claim that a worker would get."""
    async with resources.database.transaction(member.tenant_id) as session:
        execution = await session.get_one(Execution, (member.tenant_id, claim.id))
        execution.status = "running"
        execution.fence += 1
    return claim_of(execution)


class TestRetry:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
    async def test_queues_again_what_may_get_better(self, executor, resources, acme, upstream, status):
        upstream.answer("/in", Answer(status))
        handler = await make_handler(resources, acme, upstream)
        claim = await claimed(resources, acme, await start(resources, acme, handler, make=queue))
        await executor.run(claim)

        execution, (attempt,), events = await read(resources, acme, claim)
        assert (execution.status, execution.attempt_count) == ("queued", 1)
        assert execution.due_at is not None
        assert attempt.status_code == status
        assert events == []

    @pytest.mark.parametrize("status", [301, 400, 404, 422])
    async def test_fails_at_once_what_will_not(self, executor, resources, acme, upstream, status):
        upstream.answer("/in", Answer(status, headers={"Location": "/elsewhere"}))
        handler = await make_handler(resources, acme, upstream)
        claim = await claimed(resources, acme, await start(resources, acme, handler, make=queue))
        await executor.run(claim)

        execution, _, events = await read(resources, acme, claim)
        assert (execution.status, events) == ("failed", ["execution.failed"])

    async def test_is_dead_after_the_last_attempt(self, executor, resources, acme, upstream):
        upstream.answer("/in", Answer(500))
        handler = await make_handler(resources, acme, upstream, default_args={"retries": 1})
        claim = await start(resources, acme, handler, make=queue)
        for _ in range(2):
            await executor.run(claim := await claimed(resources, acme, claim))

        execution, attempts, events = await read(resources, acme, claim)
        assert (execution.status, execution.status_reason) == ("dead", "The upstream answered 500.")
        assert [attempt.number for attempt in attempts] == [1, 2]
        assert events == ["execution.dead"]
        keys = {asked.headers["idempotency-key"] for asked in upstream.requests}
        assert keys == {str(claim.id)}

    async def test_waits_as_long_as_the_upstream_asks(self, executor, resources, acme, upstream):
        upstream.answer("/in", Answer(429, headers={"Retry-After": "120"}))
        handler = await make_handler(resources, acme, upstream)
        claim = await claimed(resources, acme, await start(resources, acme, handler, make=queue))
        await executor.run(claim)

        execution, _, _ = await read(resources, acme, claim)
        assert execution.due_at - clock.now() > timedelta(seconds=115)

    async def test_retries_an_upstream_that_does_not_answer_in_time(
        self, executor, resources, acme, upstream
    ):
        upstream.answer("/in", Answer(release=asyncio.Event()))
        handler = await make_handler(resources, acme, upstream, default_args={"timeout": 50})
        claim = await claimed(resources, acme, await start(resources, acme, handler, make=queue))
        await executor.run(claim)

        execution, (attempt,), _ = await read(resources, acme, claim)
        assert execution.status == "queued"
        assert attempt.error.startswith("upstream_timed_out")


class TestFence:
    async def test_lets_a_late_worker_change_nothing(self, executor, resources, acme, upstream):
        handler = await make_handler(resources, acme, upstream)
        release = asyncio.Event()
        upstream.answer("/in", Answer(200, release=release), Answer(500))
        claim = await claimed(resources, acme, await start(resources, acme, handler, make=queue))
        late = asyncio.create_task(executor.run(claim))
        await upstream.arrived.wait()
        await claimed(resources, acme, claim)
        release.set()
        await late

        execution, attempts, events = await read(resources, acme, claim)
        assert (execution.status, attempts, events) == ("running", [], [])

    async def test_gives_up_what_kills_its_workers(self, executor, resources, acme, upstream):
        handler = await make_handler(resources, acme, upstream, default_args={"retries": 0})
        claim = await start(resources, acme, handler, make=queue)
        for _ in range(MAX_INTERRUPTIONS + 2):
            claim = await claimed(resources, acme, claim)
        await executor.run(claim)

        execution, _, _ = await read(resources, acme, claim)
        assert execution.status == "dead"
        assert upstream.requests == []


class TestClaims:
    async def test_are_refused_to_the_applications_role(self, resources):
        async with resources.database.transaction(None) as session:
            with pytest.raises(RoleTooWeak):
                await check_may_claim(session)
