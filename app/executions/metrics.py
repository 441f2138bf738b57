"""What Prometheus sees of executions: how they are admitted, how long they wait, what becomes of attempts."""

import math
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from app.core.egress.errors import EgressRefused, UpstreamMalformed, UpstreamUnreachable
from app.core.errors import AppError, Unavailable, UpstreamTimedOut
from app.executions.caller import Outcome
from app.executions.ending import Ending
from app.executions.errors import ExecutionInterrupted
from app.models import ExecutionStatus

STORED: Final = "stored"
NOT_SENT: Final = "not_sent"

_FAILURES: Final[tuple[tuple[type[AppError], str], ...]] = (
    (UpstreamTimedOut, "timed_out"),
    (UpstreamUnreachable, "unreachable"),
    (UpstreamMalformed, "malformed"),
    (EgressRefused, "refused"),
    (ExecutionInterrupted, "interrupted"),
    (Unavailable, "unavailable"),
)
_STATUS_CLASSES: Final = range(1, 6)
_RETRIED: Final = "retried"

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_UPSTREAM_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_WAIT_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_batch = Histogram("jackfield_admission_batch_size", "Executions stored by one commit.", buckets=_SIZES)
_store = Histogram(
    "jackfield_admission_duration_seconds", "Time that one commit of admission took.", buckets=_SECONDS
)
_queue = Gauge("jackfield_admission_queue", "Webhooks that wait to be stored.", multiprocess_mode="livesum")
_full = Counter("jackfield_admission_full_total", "Webhooks refused because too many wait to be stored.")
_lost = Counter("jackfield_admission_failed_total", "Webhooks that the database did not take.")

_attempts = Counter(
    "jackfield_attempts_total",
    "Attempts, by what follows from them and by what the upstream did.",
    ("outcome", "class"),
)
_upstream = Histogram(
    "jackfield_upstream_duration_seconds",
    "Time of one call of an upstream, from the wait for a connection to the last byte.",
    ("class",),
    buckets=_UPSTREAM_SECONDS,
)
_wait = Histogram(
    "jackfield_execution_wait_seconds",
    "Time from the admission of an execution to its first attempt.",
    buckets=_WAIT_SECONDS,
)
_claims_lost = Counter(
    "jackfield_claims_lost_total", "Attempts whose result was dropped, because another worker had taken over."
)

_backlog = Gauge(
    "jackfield_backlog", "Executions of all tenants that are due.", multiprocess_mode="livemostrecent"
)
_backlog_age = Gauge(
    "jackfield_backlog_age_seconds",
    "For how long the oldest of those has been due.",
    multiprocess_mode="livemostrecent",
)
# Nobody has looked yet, which is not the same as none.
_backlog.set(math.nan)
_backlog_age.set(math.nan)


def stored(count: int, seconds: float) -> None:
    """A batch of admissions is committed."""
    _batch.observe(count)
    _store.observe(seconds)


def queue_is(depth: int) -> None:
    _queue.set(depth)


def queue_full() -> None:
    _full.inc()


def not_stored(count: int) -> None:
    _lost.inc(count)


def first_attempt(seconds: float) -> None:
    """``seconds`` since admission, by the clocks of two machines perhaps."""
    _wait.observe(max(0.0, seconds))


def called(outcome: Outcome) -> None:
    """An attempt is over; whether it counts is for ``attempted`` to say."""
    if outcome.method is not None:
        _duration(class_of(outcome)).observe(outcome.duration_ms / 1000)


def attempted(outcome: Outcome, ending: Ending) -> None:
    """An attempt, and what follows from it, is stored."""
    _attempt(outcome_of(ending), class_of(outcome)).inc()


def claim_lost() -> None:
    _claims_lost.inc()


def backlog_is(waiting: int, oldest_s: float) -> None:
    _backlog.set(waiting)
    _backlog_age.set(oldest_s)


def outcome_of(ending: Ending) -> str:
    return _RETRIED if ending.status == ExecutionStatus.QUEUED else ending.status.value


def class_of(outcome: Outcome) -> str:
    """``2xx`` and so on, ``stored`` where there is no upstream, or why there was no answer."""
    if outcome.failure is not None:
        return next((word for kind, word in _FAILURES if isinstance(outcome.failure, kind)), NOT_SENT)
    if outcome.status_code is None:
        return STORED
    first = outcome.status_code // 100
    return f"{first}xx" if first in _STATUS_CLASSES else "malformed"


# Found once: to find a series by its labels costs more than to count in it.
@cache
def _attempt(outcome: str, kind: str) -> Counter:
    return _attempts.labels(outcome, kind)


@cache
def _duration(kind: str) -> Histogram:
    return _upstream.labels(kind)
