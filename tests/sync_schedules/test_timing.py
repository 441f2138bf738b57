from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sync_schedules.timing import DAY_S, LEAST_S, MOST_S, pause

intervals = st.integers(LEAST_S, MOST_S)
chances = st.floats(0, 1, exclude_max=True)


def middle() -> float:
    return 0.5


class TestPause:
    @given(intervals, chances)
    def test_is_the_interval_a_tenth_more_or_less(self, interval, chance):
        seconds = pause(interval, 0, lambda: chance).total_seconds()
        assert 0.9 * interval <= seconds + 1e-6
        assert seconds - 1e-6 <= 1.1 * interval

    def test_spreads_over_the_whole_tenth(self):
        assert pause(1000, 0, lambda: 0.0) == timedelta(seconds=900)
        assert pause(1000, 0, middle) == timedelta(seconds=1000)

    @pytest.mark.parametrize(("failures", "seconds"), [(1, 60), (2, 120), (3, 240), (7, 3840)])
    def test_doubles_with_each_failure(self, failures, seconds):
        assert pause(DAY_S, failures, middle) == timedelta(seconds=seconds)

    @given(intervals, st.integers(1, 10**9), chances)
    def test_after_failures_is_never_longer_than_the_interval_or_a_day(self, interval, failures, chance):
        assert pause(interval, failures, lambda: chance).total_seconds() <= 1.1 * min(interval, DAY_S) + 1e-6

    def test_after_many_failures_is_as_long_as_it_may_be(self):
        assert pause(LEAST_S, 10, middle) == timedelta(seconds=LEAST_S)
        assert pause(MOST_S, 10_000, middle) == timedelta(seconds=DAY_S)
