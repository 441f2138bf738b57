import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from app.core import tally
from app.core.tally import Tally, Timings

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def counted(registry, monkeypatch):
    monkeypatch.setattr(tally, "_tallies", [])
    return Tally(Counter("made_up_total", "Made up.", registry=registry))


class TestTally:
    def test_hands_over_each_count_once(self, counted, registry):
        counted.count += 3
        tally.hand_over()
        tally.hand_over()
        assert registry.get_sample_value("made_up_total") == 3
        assert counted.count == 0

    async def test_is_handed_over_without_being_asked(self, counted, registry, monkeypatch):
        monkeypatch.setattr(tally, "INTERVAL_S", 0.0)
        counted.count += 1
        task = asyncio.create_task(tally.keep_handing_over())
        async with asyncio.timeout(10):
            while counted.count:
                await asyncio.sleep(0)
        task.cancel()
        assert registry.get_sample_value("made_up_total") == 1

    async def test_loses_nothing_when_the_process_ends(self, counted, registry):
        task = asyncio.create_task(tally.keep_handing_over())
        await asyncio.sleep(0)
        counted.count += 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert registry.get_sample_value("made_up_total") == 1


class TestTimings:
    def test_come_to_what_the_histogram_would_have_observed(self, monkeypatch):
        monkeypatch.setattr(tally, "_tallies", [])
        observed = (0.0, 0.05, 0.1, 0.1000001, 1.0, 7.0, 7.0)
        ours, theirs = CollectorRegistry(), CollectorRegistry()
        timings, histogram = (
            make(Histogram("made_up_seconds", "Made up.", registry=registry, buckets=(0.1, 1, 5)))
            for make, registry in ((Timings, ours), (lambda series: series, theirs))
        )
        for seconds in observed:
            timings.add(seconds)
            histogram.observe(seconds)
        tally.hand_over()
        tally.hand_over()
        assert without_times(ours) == without_times(theirs)


def without_times(registry):
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
