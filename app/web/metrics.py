"""What Prometheus sees of requests. Labels come from our own routes, never from what was sent."""

from functools import cache
from typing import Final

from prometheus_client import Counter, Histogram

from app.core.tally import Tally, Timings

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

_requests = Counter(
    "jackfield_http_requests_total", "Requests that were answered.", ("method", "route", "status")
)
_seconds = Histogram(
    "jackfield_http_request_duration_seconds",
    "Time from the head of a request to the end of its answer.",
    ("method", "route"),
    buckets=_BUCKETS,
)


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """``route``: its template, such as ``/integrations/{integration_id}``."""
    count, duration = _series(method if method in _METHODS else "other", route, status)
    count.count += 1
    duration.add(seconds)


@cache
def _series(method: str, route: str, status: int) -> tuple[Tally, Timings]:
    """Looked up once: finding a series by its labels costs more than counting in it."""
    return Tally(_requests.labels(method, route, status)), _durations(method, route)


@cache
def _durations(method: str, route: str) -> Timings:
    return Timings(_seconds.labels(method, route))
