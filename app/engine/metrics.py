"""What Prometheus sees of a worker: its claims, its slots and its circuits."""

from typing import Final

from prometheus_client import Gauge, Histogram

from app.engine.slots import Slots

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128)

_size = Histogram("jackfield_claim_size", "Executions that one claim brought.", buckets=SIZES)
_seconds = Histogram("jackfield_claim_duration_seconds", "Time that one claim took.", buckets=SECONDS)
_held = Gauge(
    "jackfield_slots_held", "Executions that this worker holds claims on.", multiprocess_mode="livesum"
)
_open = Gauge(
    "jackfield_circuits_open",
    "Lanes that this worker leaves alone for a while, because their upstream does not answer.",
    multiprocess_mode="livesum",
)


def claimed(count: int, seconds: float) -> None:
    _size.observe(count)
    _seconds.observe(seconds)


def show(slots: Slots, now: float) -> None:
    """``now``: monotonic time in seconds."""
    _held.set(slots.held)
    _open.set(slots.open_circuits(now))
