"""Several processes behind one listening socket: started, replaced when they die, stopped together.

The parent serves nothing. It holds the embedded database and the socket, so a child that dies takes only its
own requests along; connections that wait to be accepted go to its siblings.
"""

import asyncio
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import structlog

from app.core.boot import BootFailure
from app.server import metrics, process
from app.server.imports import begin_imports
from app.server.listener import listen
from app.server.process import Service
from app.server.stop import StopSignals

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A child that lived this long did not die of its start: the pauses begin anew."""

_KILL_AFTER_S = 5.0

# Not forked: a child needs no lock, event loop or connection of its parent's, and must not have them.
_spawning = multiprocessing.get_context("spawn")
_log = structlog.get_logger(__name__)


class Supervisor:
    def __init__(self, service: Service, listener: socket.socket, stop: StopSignals) -> None:
        self._service = service
        self._listener = listener
        self._stop = stop
        self._seats = [_Seat(service, listener) for _ in range(service.settings.workers)]

    def supervise(self, on_listening: Callable[[], None]) -> None:
        """Keep as many children as the settings say; return when asked to stop and all have stopped."""
        listen(self._listener)
        bell, rope = socket.socketpair()
        self._stop.before_exit = self._kill
        with metrics.shared(), bell, rope, self._stop.waking(lambda: rope.send(b"!")):
            try:
                self._look_after(bell, on_listening)
            finally:
                self._stop_all()

    def _look_after(self, bell: socket.socket, on_listening: Callable[[], None]) -> None:
        is_announced = False
        while not self._stop.is_requested:
            for seat in self._seats:
                seat.fill()
            due = [seat.due for seat in self._seats if seat.child is None]
            news = [bell, *(source for seat in self._seats for source in seat.news())]
            wait(news, timeout=max(min(due) - time.monotonic(), 0.0) if due else None)
            for seat in self._seats:
                seat.take_note()
            if not is_announced and all(seat.is_listening for seat in self._seats):
                on_listening()
                is_announced = True

    def _stop_all(self) -> None:
        """SIGTERM, and SIGKILL for whom its own grace period does not end."""
        self._listener.close()
        settings = self._service.settings
        deadline = time.monotonic() + settings.drain_delay + settings.shutdown_grace + _KILL_AFTER_S
        children = [seat.child for seat in self._seats if seat.child is not None]
        for child in children:
            child.terminate()
        for child in children:
            child.join(max(deadline - time.monotonic(), 0.0))
            if child.is_alive():
                child.kill()
                child.join()

    def _kill(self) -> None:
        for seat in self._seats:
            if seat.child is not None:
                seat.child.kill()


class _Seat:
    """The place of one child at a time."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self.child: BaseProcess | None = None
        self.is_listening = False
        self.due = 0.0
        self._service = service
        self._listener = listener
        self._line: Connection | None = None
        self._born = 0.0
        self._pause = FIRST_PAUSE_S

    def fill(self) -> None:
        if self.child is not None or self.due > time.monotonic():
            return
        self._line, end = _spawning.Pipe()
        self.child = _spawning.Process(target=_serve, args=(self._service, self._listener, end))
        # Ctrl-C reaches the whole process group, but a child stops when its parent says so. What is blocked
        # here stays blocked there.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.child.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        end.close()
        self.is_listening = False
        self._born = time.monotonic()

    def news(self) -> list[int | Connection]:
        """What becomes readable when something happens to the child."""
        if self.child is None or self._line is None:
            return []
        return [self.child.sentinel] if self.is_listening else [self.child.sentinel, self._line]

    def take_note(self) -> None:
        """Of the news, if there is any."""
        if self.child is None or self._line is None:
            return
        if not self.child.is_alive():
            self._bury(self.child, self._line)
        elif not self.is_listening and self._line.poll():
            self.is_listening = True
            _log.info("process.listening", pid=self.child.pid)

    def _bury(self, child: BaseProcess, line: Connection) -> None:
        line.close()
        metrics.forget(child.pid)
        now = time.monotonic()
        if now - self._born >= STEADY_S:
            self._pause = FIRST_PAUSE_S
        self.child, self.due = None, now + self._pause
        self._pause = min(self._pause * 2, LAST_PAUSE_S)
        _log.error("process.died", pid=child.pid, exit_code=child.exitcode)


def _serve(service: Service, listener: socket.socket, line: Connection) -> None:
    """The child: listens until SIGTERM, or until the line to its parent breaks."""
    begin_imports()
    process.prepare_process(service.settings)

    async def work(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def stop_as_orphan() -> None:
            loop.remove_reader(line.fileno())
            stop.set()

        loop.add_reader(line.fileno(), stop_as_orphan)
        await process.serve(service, listener, stop, lambda: line.send_bytes(b"listening"))

    with StopSignals() as signals:
        try:
            signals.run(work)
        except BootFailure as failure:
            _log.error("process.cannot_start", reason=str(failure))
            sys.exit(failure.exit_code)
