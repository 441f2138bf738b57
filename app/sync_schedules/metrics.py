"""What Prometheus sees of scheduled syncs."""

from typing import Final

from prometheus_client import Counter

LOST: Final = "lost"
"""The outcome of a run that somebody else took over, or that a person was faster than."""

_runs = Counter("jackfield_sync_runs_total", "Runs of scheduled syncs, by outcome.", ("outcome",))


def ran(outcome: str) -> None:
    _runs.labels(outcome).inc()
