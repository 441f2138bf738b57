"""How tracing is turned on: by OpenTelemetry's own variables, if what sends spans is installed."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from structlog.testing import capture_logs

from app.core import tracing
from app.server.tracing import collecting, is_wanted


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    # What the block sets is taken back with it.
    monkeypatch.setenv("OTEL_SERVICE_NAME", "jackfield-of-the-tests")


@pytest.fixture
def collector():
    """A collector that takes one request: its address, and what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Says nothing."""

    received = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(1) as thread:
        server.timeout = 10
        thread.submit(server.handle_request)
        yield f"http://127.0.0.1:{server.server_port}", received


class TestWanted:
    def test_is_off_unless_a_collector_is_named(self, monkeypatch):
        assert not is_wanted()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
        assert is_wanted()

    def test_can_be_turned_off_again(self, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        assert not is_wanted()


class TestCollecting:
    def test_sends_what_waits_at_the_end(self, monkeypatch, collector):
        url, received = collector
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with collecting(), tracing.webhook(None) as trace:
            assert trace.is_recorded
        ((path, body),) = received
        assert path == "/v1/traces"
        assert bytes.fromhex(trace.parent.split("-")[1]) in body
        assert b"jackfield-of-the-tests" in body

    def test_records_nothing_after_its_block(self, monkeypatch, collector):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector[0])
        with collecting(), tracing.webhook(None):
            pass
        assert not tracing.webhook(None).is_recorded

    def test_goes_on_without_what_is_not_installed(self, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

        def missing(name):
            raise ImportError(name=name)

        monkeypatch.setattr(importlib, "import_module", missing)
        with capture_logs() as lines, collecting():
            assert not tracing.webhook(None).is_recorded
        (line,) = lines
        assert (line["event"], line["missing"]) == ("tracing.not_installed", "opentelemetry.sdk.trace")
