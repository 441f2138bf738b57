"""Latencies, any number of them in a few kilobytes."""

import math
from collections import Counter

_GROWTH = math.log(1.01)
_LEAST_S = 1e-6


class Histogram:
    """Buckets that grow by one percent from a microsecond on: a percentile is exact to that percent."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._counts.total()

    def record(self, seconds: float) -> None:
        self._counts[int(math.log(max(seconds, _LEAST_S) / _LEAST_S) / _GROWTH)] += 1

    def percentile(self, percent: float) -> float:
        """Seconds within which ``percent`` of all came; NaN of none."""
        wanted, seen = math.ceil(len(self) * percent / 100), 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return _LEAST_S * math.exp((bucket + 0.5) * _GROWTH)
        return math.nan
