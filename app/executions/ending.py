"""What follows from an attempt. Pure; chance is an argument."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from app.executions import retry
from app.executions.caller import Outcome
from app.executions.errors import ExecutionInterrupted
from app.executions.repository import Claimed
from app.models import ExecutionStatus


@dataclass(slots=True)
class Ending:
    """``due_in``: until the next attempt; None for an end."""

    status: ExecutionStatus
    reason: str | None
    due_in: timedelta | None = None

    @property
    def is_final(self) -> bool:
        return self.due_in is None


def decide(row: Claimed, outcome: Outcome, random: Callable[[], float]) -> Ending:
    """Succeeded; once more, later; ``dead`` after the last try; ``failed`` where a retry is no use."""
    if outcome.is_success:
        return Ending(ExecutionStatus.SUCCEEDED, None)
    is_worth_it = outcome.is_retryable and not isinstance(outcome.failure, ExecutionInterrupted)
    number = row.attempt_count + 1
    if is_worth_it and number < row.max_attempts:
        wait = retry.delay(number, outcome.retry_after, random)
        return Ending(ExecutionStatus.QUEUED, outcome.error, timedelta(seconds=wait))
    status = ExecutionStatus.DEAD if outcome.is_retryable else ExecutionStatus.FAILED
    return Ending(status, outcome.error)
