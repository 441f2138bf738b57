"""What is counted, traced and logged of executions, against a real upstream and a real database."""

import asyncio
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text, update
from structlog.testing import capture_logs

from app.core import clock, tracing
from app.core.egress.errors import EgressRefused, UpstreamMalformed, UpstreamUnreachable
from app.core.errors import NotFound, Unavailable, UpstreamTimedOut
from app.db.session import driver_of
from app.executions.admission import Received, hold, queue, recipient_of
from app.executions.backlog import Backlog
from app.executions.batcher import AdmissionBatcher
from app.executions.caller import Outcome
from app.executions.errors import AdmissionQueueFull, ArgumentInvalid, ExecutionInterrupted
from app.executions.executor import Executor
from app.executions.metrics import class_of
from app.executions.repository import admit_all
from app.models import Execution, Integration, Trigger
from tests.executions.test_executor import make_handler, source_of
from tests.fixtures.series import value
from tests.fixtures.upstream import Answer

pytestmark = pytest.mark.anyio

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.collect(provider)
    yield exporter.get_finished_spans
    tracing.collect(None)


async def new_execution(resources, acme, upstream, make=hold, handler=None, **received):
    handler = handler or await make_handler(resources, acme, upstream)
    async with resources.database.transaction(acme.tenant_id) as session:
        integration = await session.get_one(Integration, (acme.tenant_id, handler.integration_id))
    given = Received(method="POST", body=b"{}", request_id="r-1", **received)
    return make(recipient_of(handler, integration.base_url), Trigger.WEBHOOK, given)


async def run(resources, acme, upstream, handler=None, **received):
    new = await new_execution(resources, acme, upstream, handler=handler, **received)
    async with resources.database.transaction(acme.tenant_id) as session:
        await admit_all(await driver_of(session), [new])
    await Executor(source_of(resources)).run(new.claim)
    return new


class TestAttempts:
    @pytest.mark.parametrize(
        ("status", "outcome", "kind"),
        [(201, "succeeded", "2xx"), (400, "failed", "4xx"), (503, "dead", "5xx")],
    )
    async def test_are_counted_by_what_became_of_them(self, resources, acme, upstream, status, outcome, kind):
        upstream.answer("/in", Answer(status))
        labels = {"outcome": outcome, "class": kind}
        before = value("jackfield_attempts_total", **labels)
        timed = value("jackfield_upstream_duration_seconds_count", **{"class": kind})
        waited = value("jackfield_execution_wait_seconds_count")
        await run(resources, acme, upstream)

        assert value("jackfield_attempts_total", **labels) == before + 1
        assert value("jackfield_upstream_duration_seconds_count", **{"class": kind}) == timed + 1
        assert value("jackfield_execution_wait_seconds_count") == waited + 1

    async def test_are_not_counted_when_the_claim_was_lost(self, resources, acme, upstream):
        new = await new_execution(resources, acme, upstream)
        async with resources.database.transaction(acme.tenant_id) as session:
            await admit_all(await driver_of(session), [new])
        source = source_of(resources)
        ((held, job),) = await source.read([new.claim])
        done = await source.perform(held, job)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(Execution).where(Execution.id == new.id).values(fence=2))
        labels = {"outcome": "succeeded", "class": "2xx"}
        before = value("jackfield_claims_lost_total"), value("jackfield_attempts_total", **labels)
        await source.finish([done])

        lost, attempts = before
        assert value("jackfield_claims_lost_total") == lost + 1
        assert value("jackfield_attempts_total", **labels) == attempts

    async def test_are_logged_without_address_and_secret(self, resources, acme, upstream):
        upstream.answer("/in", Answer(400, b"no very-secret-value"))
        with capture_logs() as lines:
            new = await run(resources, acme, upstream)
        (line,) = [line for line in lines if line["event"] == "execution.attempted"]
        assert line.pop("duration_ms") >= 0
        assert line == {
            "event": "execution.attempted",
            "log_level": "info",
            "execution_id": str(new.id),
            "handler_id": str(new.recipient.handler_id),
            "tenant_id": str(acme.tenant_id),
            "request_id": "r-1",
            "attempt": 1,
            "outcome": "failed",
            "cause": "4xx",
            "status": 400,
        }

    async def test_are_logged_for_debugging_only_when_they_succeed(self, resources, acme, upstream):
        with capture_logs() as lines:
            await run(resources, acme, upstream)
        assert {line["log_level"] for line in lines if line["event"] == "execution.attempted"} == {"debug"}


class TestClass:
    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (UpstreamTimedOut(), "timed_out"),
            (UpstreamUnreachable(), "unreachable"),
            (UpstreamMalformed(), "malformed"),
            (EgressRefused(), "refused"),
            (ExecutionInterrupted(), "interrupted"),
            (Unavailable(), "unavailable"),
            (ArgumentInvalid(), "not_sent"),
            (NotFound(), "not_sent"),
        ],
        ids=lambda given: given if isinstance(given, str) else "",
    )
    def test_names_why_there_was_no_answer(self, failure, kind):
        assert class_of(Outcome(started_at=clock.now(), duration_ms=0, failure=failure)) == kind

    @pytest.mark.parametrize(("status", "kind"), [(None, "stored"), (299, "2xx"), (999, "malformed")])
    def test_is_of_a_closed_set(self, status, kind):
        assert class_of(Outcome(started_at=clock.now(), duration_ms=0, status_code=status)) == kind


class TestTrace:
    async def test_goes_on_unchanged_where_nobody_collects(self, resources, acme, upstream):
        await run(resources, acme, upstream, trace_parent=PARENT, headers=[("tracestate", "a=1")])
        (asked,) = upstream.requests
        assert (asked.headers["traceparent"], asked.headers["tracestate"]) == (PARENT, "a=1")

    async def test_is_not_begun_where_nobody_collects(self, resources, acme, upstream):
        await run(resources, acme, upstream, headers=[("tracestate", "a=1")])
        (asked,) = upstream.requests
        assert {"traceparent", "tracestate"}.isdisjoint(asked.headers)

    async def test_has_a_span_for_the_attempt_whose_context_the_upstream_gets(
        self, spans, resources, acme, upstream
    ):
        upstream.answer("/in", Answer(500))
        new = await run(resources, acme, upstream, trace_parent=PARENT)
        (span,), (asked,) = spans(), upstream.requests
        assert asked.headers["traceparent"] == f"00-{PARENT[3:35]}-{span.context.span_id:016x}-01"
        assert f"{span.parent.span_id:016x}" == PARENT[36:52]
        assert span.attributes == {
            "jackfield.tenant_id": str(acme.tenant_id),
            "jackfield.handler_id": str(new.recipient.handler_id),
            "jackfield.execution_id": str(new.id),
            "jackfield.attempt": 1,
            "http.request.method": "POST",
            "http.response.status_code": 500,
            "error.type": "5xx",
        }

    async def test_leaves_a_header_alone_that_the_handler_sets(self, resources, acme, upstream):
        target = {"kind": "http", "method": "POST", "url": "/in", "headers": {"Traceparent": "my-own"}}
        handler = await make_handler(resources, acme, upstream, target=target)
        await run(resources, acme, upstream, handler=handler, trace_parent=PARENT)
        (asked,) = upstream.requests
        assert asked.headers["traceparent"] == "my-own"


class TestAdmission:
    async def test_is_counted_by_the_batch(self, resources, acme, upstream):
        names = ("jackfield_admission_batch_size_count", "jackfield_admission_duration_seconds_count")
        before = [*map(value, names)]
        batcher = AdmissionBatcher(resources.database, most_waiting=1)
        await batcher.admit(await new_execution(resources, acme, upstream, make=queue))
        assert [*map(value, names)] == [count + 1 for count in before]

    async def test_counts_what_a_full_queue_refuses(self, resources, acme, upstream):
        before = value("jackfield_admission_full_total")
        batcher = AdmissionBatcher(resources.database, most_waiting=0)
        with pytest.raises(AdmissionQueueFull):
            await batcher.admit(await new_execution(resources, acme, upstream, make=queue))
        assert value("jackfield_admission_full_total") == before + 1

    async def test_shows_what_waits_while_the_database_hangs(self, resources, monkeypatch):
        batcher = AdmissionBatcher(resources.database, most_waiting=1)
        monkeypatch.setattr("app.executions.batcher.AdmissionBatcher.depth", 7)
        watching = asyncio.create_task(batcher.watch())
        await asyncio.sleep(0)
        watching.cancel()
        assert value("jackfield_admission_queue") == 7


class TestBacklog:
    async def test_shows_what_is_due_and_for_how_long(self, resources, acme, upstream):
        new = await new_execution(resources, acme, upstream, make=queue)
        new.due_in = -timedelta(minutes=5)
        async with resources.database.transaction(acme.tenant_id) as session:
            await admit_all(await driver_of(session), [new])
        await Backlog(resources.database).read()
        assert value("jackfield_backlog") == 1
        assert 300 <= value("jackfield_backlog_age_seconds") < 360

    async def test_is_counted_once_in_a_while(self, resources, monkeypatch):
        backlog, reads = Backlog(resources.database), []
        read = backlog.read

        async def counting():
            reads.append(1)
            await read()

        monkeypatch.setattr(backlog, "read", counting)
        await backlog.check()
        await backlog.check()
        assert len(reads) == 1

    async def test_can_be_read_though_it_takes_its_time(self, resources, monkeypatch):
        monkeypatch.setattr("app.executions.backlog.PATIENCE_S", 0.0)
        backlog, release = Backlog(resources.database), asyncio.Event()
        monkeypatch.setattr(backlog, "read", release.wait)
        await backlog.check()
        release.set()

    async def test_cannot_be_read_without_the_right_to(self, resources, monkeypatch):
        monkeypatch.setattr("app.executions.claims._BACKLOG", text("SELECT app.made_up()"))
        with pytest.raises(Exception, match="made_up"):
            await Backlog(resources.database).check()
