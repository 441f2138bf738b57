"""Ends work on documents that were made to take forever. Processor time: threads also wait."""

import time

_SHORTEST_WAIT = 0.001


class CpuBudget:
    """Of the thread that makes it.

    Asking for processor time is a system call, which can take as long as reading an operation does. So it is
    only asked for when the clock on the wall, which is cheap and never behind it, says that the budget may be
    spent.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.thread_time() + seconds
        self._not_before = time.perf_counter() + seconds

    def is_spent(self) -> bool:
        now = time.perf_counter()
        if now < self._not_before:
            return False
        left = self._until - time.thread_time()
        self._not_before = now + max(left, _SHORTEST_WAIT)
        return left < 0
