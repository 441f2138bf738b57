"""When a lane is left alone: after its upstream did not answer several times in a row, or asked for a pause.

Closed: work is claimed. Open: none is, for a while that doubles with each further failure. Then half open:
one piece of work is tried, and what becomes of it closes or opens the circuit again. Pure.
"""

from dataclasses import dataclass
from typing import Final

FAILURES_TO_OPEN: Final = 5
"""Unanswered calls in a row. An answer of any status is an answer."""
FIRST_REST_S: Final = 5.0
LONGEST_REST_S: Final = 300.0
FORGOTTEN_AFTER_S: Final = 900.0
"""A lane that was left alone for so long begins anew."""
LONGEST_ASKED_S: Final = 60.0
"""A ``Retry-After`` concerns the call that got it; the rest of its lane waits so long at most."""


@dataclass(slots=True)
class Circuit:
    """``rests_until``: a time on the caller's monotonic clock, in seconds."""

    failures: int = 0
    rests_until: float = 0.0
    failed_at: float = 0.0

    @property
    def is_closed(self) -> bool:
        return self.failures < FAILURES_TO_OPEN

    def allows(self, now: float) -> int | None:
        """How many calls may run at a time: 0 while open, 1 while half open, None without bound."""
        if now < self.rests_until:
            return 0
        return None if self.is_closed else 1

    def is_forgotten(self, now: float) -> bool:
        return now - max(self.failed_at, self.rests_until) > FORGOTTEN_AFTER_S

    def answered(self, now: float, retry_after: float | None = None) -> None:
        """The upstream is there; ``retry_after``: seconds that it wants to be left alone, if it said so."""
        self.failures = 0
        self.failed_at = 0.0
        if retry_after:
            self.rests_until = max(self.rests_until, now + min(retry_after, LONGEST_ASKED_S))
        elif self.rests_until <= now:
            self.rests_until = 0.0

    def failed(self, now: float) -> None:
        """It did not answer. Calls that were under way when the circuit opened do not lengthen its rest."""
        if not self.is_closed and now < self.rests_until:
            return
        self.failures += 1
        self.failed_at = now
        if not self.is_closed:
            doublings = min(self.failures - FAILURES_TO_OPEN, 10)
            self.rests_until = now + min(FIRST_REST_S * 2.0**doublings, LONGEST_REST_S)
