"""Where spans go: to an OpenTelemetry collector, if the operator named one and installed what sends them."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final

import structlog

from app.core import tracing

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The environment variables of OpenTelemetry, any of which turns tracing on."""
CLOSE_S: Final = 3.0
"""A collector that does not answer keeps nobody from stopping longer than that."""

_log = structlog.get_logger(__name__)


@contextmanager
def collecting() -> Iterator[None]:
    """Send the spans of this process while the block runs; those that wait at its end, too."""
    provider = _provider() if is_wanted() else None
    tracing.collect(provider)
    try:
        yield
    finally:
        tracing.collect(None)
        if provider is not None:
            closing = Thread(target=provider.shutdown, daemon=True)
            closing.start()
            closing.join(CLOSE_S)


def is_wanted() -> bool:
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and any(os.environ.get(name) for name in ENDPOINTS)


def _provider() -> Any:
    """None, and a line in the log, where the extra ``otel`` is not installed."""
    try:
        # Not imported above: the extra may be missing, and takes its time to load.
        trace = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        _log.warning("tracing.not_installed", missing=error.name)
        return None
    os.environ.setdefault("OTEL_SERVICE_NAME", "jackfield")
    provider = trace.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.BatchSpanProcessor(exporter.OTLPSpanExporter()))
    return provider
