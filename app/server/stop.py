"""SIGTERM and SIGINT: the first one asks to stop, the second one ends the process at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import uvloop

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _nothing() -> None:
    pass


class StopSignals:
    """Listened to while the ``with`` block runs, from boot to the end.

    The handler only takes note, so that whatever is just being started gets a beginning and an end; who
    waits for something says how to be woken.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self.before_exit: Callable[[], object] = _nothing
        """What still has to happen between the second signal and the end."""
        self._wake: Callable[[], object] = _nothing
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Call ``wake`` when asked to stop; right now, if that was before."""
        self._wake = wake
        if self.is_requested:
            wake()
        try:
            yield
        finally:
            self._wake = _nothing

    def run_or_cancel(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` to its end, or cancel it when asked to stop."""

        async def run() -> None:
            loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
            with self.waking(lambda: loop.call_soon_threadsafe(task.cancel)):
                await asyncio.wait([task])
            if not (task.cancelled() and self.is_requested):
                task.result()

        _run(run())

    def run(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        """Run ``work(stop)``; the event ``stop`` is set when asked to stop."""

        async def run() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            with self.waking(lambda: loop.call_soon_threadsafe(stop.set)):
                await work(stop)

        _run(run())

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.is_requested:
            self.before_exit()
            os._exit(128 + number)
        self.is_requested = True
        self._wake()


def _run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
