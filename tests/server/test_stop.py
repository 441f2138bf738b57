import asyncio
import os
import signal

import pytest

from app.server.stop import StopSignals


async def stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


class TestStopSignals:
    def test_cancels_what_was_running(self):
        with StopSignals() as stop:
            stop.run_or_cancel(stop_this_process())
        assert stop.is_requested

    def test_leaves_what_it_ran_its_own_failure(self):
        async def fail() -> None:
            raise LookupError

        with StopSignals() as stop, pytest.raises(LookupError):
            stop.run_or_cancel(fail())

    def test_sets_the_event_of_what_runs(self):
        async def work(stopping: asyncio.Event) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await stopping.wait()

        with StopSignals() as stop:
            stop.run(work)

    def test_remembers_a_signal_that_came_before(self):
        async def work(stopping: asyncio.Event) -> None:
            await stopping.wait()

        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            stop.run(work)
            stop.run_or_cancel(asyncio.Event().wait())

    def test_gives_the_signals_back(self):
        before = signal.getsignal(signal.SIGTERM)
        with StopSignals():
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before
