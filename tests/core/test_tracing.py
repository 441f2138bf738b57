"""Trace context, with the SDK's own exporter into memory."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.core import tracing
from app.core.errors import NotFound

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.collect(provider)
    yield exporter.get_finished_spans
    tracing.collect(None)


class TestValid:
    def test_takes_what_the_standard_shows(self):
        assert tracing.valid(PARENT.encode()) == PARENT

    @pytest.mark.parametrize(
        "header",
        [
            b"",
            b"00",
            PARENT.upper().encode(),
            PARENT.encode() + b"-extra",
            PARENT.encode() + b"\n",
            b"ff" + PARENT.encode()[2:],
            b"01" + PARENT.encode()[2:],
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"\xff" * 55,
        ],
    )
    def test_takes_nothing_else(self, header):
        assert tracing.valid(header) is None


class TestWhereNobodyCollects:
    def test_hands_on_unchanged_what_came(self):
        with tracing.webhook(PARENT.encode()) as received:
            assert received.parent == PARENT
        with tracing.attempt(PARENT) as attempted:
            assert attempted.parent == PARENT
            assert not attempted.is_recorded

    def test_begins_no_trace(self):
        with tracing.webhook(None) as received:
            assert received.parent is None
        assert tracing.headers_of(received.parent, [("tracestate", "a=1")]) == []


class TestWhereSomebodyCollects:
    def test_continues_the_senders_trace(self, spans):
        with tracing.webhook(PARENT.encode()) as received, tracing.attempt(received.parent) as attempted:
            pass
        attempt, webhook = spans()
        assert f"{webhook.parent.span_id:016x}" == "00f067aa0ba902b7"
        assert attempt.parent.span_id == webhook.context.span_id
        assert {attempt.context.trace_id, webhook.context.trace_id} == {0x4BF92F3577B34DA6A3CE929D0E0E4736}
        assert attempted.parent.split("-")[1:3] == [
            f"{attempt.context.trace_id:032x}",
            f"{attempt.context.span_id:016x}",
        ]

    def test_begins_a_trace_where_none_came(self, spans):
        with tracing.webhook(b"nonsense") as received:
            pass
        (webhook,) = spans()
        assert webhook.parent is None
        assert tracing.valid(received.parent.encode())

    def test_keeps_the_senders_decision_not_to_sample(self, spans):
        with tracing.webhook(PARENT[:-2].encode() + b"00") as received:
            assert received.parent.endswith("-00")
        assert spans() == ()

    def test_names_a_failure_and_tells_nothing_of_it(self, spans):
        with pytest.raises(NotFound), tracing.webhook(None):
            raise NotFound("sensitive")
        (webhook,) = spans()
        assert webhook.status.status_code is StatusCode.ERROR
        assert webhook.attributes == {"error.type": "not_found"}
        assert "sensitive" not in webhook.to_json()

    def test_does_not_touch_the_next_step_once_nobody_collects(self, spans):
        tracing.collect(None)
        with tracing.webhook(PARENT.encode()):
            pass
        assert spans() == ()


class TestHeaders:
    def test_hand_on_the_state_of_other_vendors(self):
        received = [("Tracestate", "a=1"), ("x-other", "x"), ("tracestate", "b=2")]
        assert tracing.headers_of(PARENT, received) == [("traceparent", PARENT), ("tracestate", "a=1,b=2")]

    @pytest.mark.parametrize("state", ["", "a=" + "x" * 511, "a=1\r\nx: y", "ä=1"])
    def test_leave_out_a_state_that_cannot_be_sent(self, state):
        assert tracing.headers_of(PARENT, [("tracestate", state)]) == [("traceparent", PARENT)]
