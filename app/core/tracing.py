"""Traces from a webhook to its upstream, as W3C Trace Context carries them.

https://www.w3.org/TR/trace-context/

Where nobody collects spans we are no participant: a valid ``traceparent`` is stored and handed on unchanged
(section "A traceparent is received", and "Processing Model"). Where somebody does, a webhook is a span, its
execution keeps that span's context, and each attempt is a child of it, whichever process makes it.

Nothing lies in context variables: a span is what its ``with`` statement is given.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.core.errors import AppError

TRACE_PARENT: Final = "traceparent"
TRACE_STATE: Final = "tracestate"
MAX_TRACE_STATE: Final = 512
"""Characters that have to be handed on (section 3.3.1.5); a longer one is left out."""

Attributes = Mapping[str, str | int]

_VERSION_0: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LIST: Final = re.compile(r"[\x20-\x7e\t]+")
_PROPAGATOR: Final = TraceContextTextMapPropagator()

_tracer: Tracer | None = None


def collect(provider: TracerProvider | None) -> None:
    """From now on spans go to ``provider``; with None, nowhere."""
    global _tracer  # noqa: PLW0603 - one per process, set at its start
    _tracer = None if provider is None else provider.get_tracer("jackfield")


def is_collecting() -> bool:
    return _tracer is not None


class Trace:
    """One step of a trace while its ``with`` block runs. ``parent``: the ``traceparent`` for what follows."""

    __slots__ = ("_span", "parent")

    def __init__(self, parent: str | None, span: Span | None = None) -> None:
        self.parent = parent
        self._span = span

    @property
    def is_recorded(self) -> bool:
        """Whether it is worth the while to say what became of it."""
        return self._span is not None and self._span.is_recording()

    def note(self, attributes: Attributes, *, failure: str | None = None) -> None:
        """What became of it. ``failure``: in a word of ours; nothing that was sent or answered."""
        if self._span is None:
            return
        self._span.set_attributes(attributes)
        if failure is not None:
            self._span.set_attribute("error.type", failure)
            self._span.set_status(StatusCode.ERROR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """The message of an exception stays out of the span: some repeat what was sent."""
        if self._span is None:
            return
        if kind is not None:
            self.note({}, failure=error.code if isinstance(error, AppError) else kind.__name__)
        self._span.end()


_NOTHING: Final = Trace(None)


def webhook(header: bytes | None) -> Trace:
    """``header``: the ``traceparent`` that came with it, if any; one that is not valid counts for nothing."""
    if header is None and _tracer is None:
        return _NOTHING
    parent = valid(header)
    if _tracer is None:
        return Trace(parent)
    return _begin(_tracer, "webhook", SpanKind.SERVER, parent)


def attempt(parent: str | None) -> Trace:
    """One call of an upstream. ``parent``: what the execution keeps."""
    if _tracer is None:
        return _NOTHING if parent is None else Trace(parent)
    return _begin(_tracer, "attempt", SpanKind.CLIENT, parent)


def valid(header: bytes | None) -> str | None:
    """A ``traceparent`` of version 00, the only one there is; None for anything else."""
    if header is None or not _VERSION_0.fullmatch(header):
        return None
    return header.decode("ascii")


def headers_of(parent: str | None, received: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """What an upstream is sent. ``received``: the webhook's headers, whose ``tracestate`` goes along."""
    if parent is None:
        return []
    state = ",".join(value for name, value in received if name.lower() == TRACE_STATE)
    if len(state) > MAX_TRACE_STATE or not _LIST.fullmatch(state):
        return [(TRACE_PARENT, parent)]
    return [(TRACE_PARENT, parent), (TRACE_STATE, state)]


def _begin(tracer: Tracer, name: str, kind: SpanKind, parent: str | None) -> Trace:
    # An empty context, so that no span that happens to be current becomes the parent.
    context = _PROPAGATOR.extract({TRACE_PARENT: parent} if parent else {}, Context())
    span = tracer.start_span(name, context, kind)
    own = span.get_span_context()
    if not own.is_valid:
        return Trace(parent)
    return Trace(f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags & 1:02x}", span)
