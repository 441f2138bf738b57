"""Counters and histograms for what happens thousands of times a second.

To add to a series of Prometheus takes a lock and, where several processes are counted together, a write to a
mapped file: microseconds. A tally is a plain integer of the event loop's thread; what it has
gathered is handed to its series once a second, and whenever somebody looks.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Counts
from typing import Final

from prometheus_client import Counter, Histogram

INTERVAL_S: Final = 1.0

_tallies: list["Tally | Timings"] = []


class Tally:
    """Make one per series, once: it is kept for ever. Count with ``tally.count += 1``."""

    __slots__ = ("_series", "count")

    def __init__(self, series: Counter) -> None:
        self.count = 0
        self._series = series
        _tallies.append(self)

    def hand_over(self) -> None:
        count, self.count = self.count, 0
        if count:
            self._series.inc(count)


class Timings:
    """The same for a histogram, whose client library takes no more than one observation at a time."""

    __slots__ = ("_bounds", "_counts", "_series", "_total")

    def __init__(self, series: Histogram) -> None:
        self._series = series
        self._bounds: list[float] = series._upper_bounds  # noqa: SLF001 - a test compares with `observe`
        self._counts: Counts[int] = Counts()
        self._total = 0.0
        _tallies.append(self)

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._total += seconds

    def hand_over(self) -> None:
        counts, self._counts = self._counts, Counts()
        total, self._total = self._total, 0.0
        for bucket, count in counts.items():
            self._series._buckets[bucket].inc(count)  # noqa: SLF001 - as above
        if counts:
            self._series._sum.inc(total)  # noqa: SLF001 - as above


def hand_over() -> None:
    for tally in _tallies:
        tally.hand_over()


async def keep_handing_over() -> None:
    """Until cancelled: another process may be the one that is asked."""
    try:
        while True:
            await asyncio.sleep(INTERVAL_S)
            hand_over()
    finally:
        hand_over()
