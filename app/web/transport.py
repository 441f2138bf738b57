"""A transport that can be closed while the client is still sending, and that waits for no one for ever.

Closing a socket with unread input resets the connection, and a reset discards what the client has not yet
read: the very answer that says why (RFC 9112, section 9.6). And closing one whose client reads nothing keeps
the unsent answer in memory for as long as the client stays.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class Timer:
    """Calls back once, unless stopped or started again first."""

    __slots__ = ("_callback", "_handle", "_loop", "is_running")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self.is_running = False

    def start(self, seconds: float) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, self._fire)
        self.is_running = True

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self.is_running = False

    def _fire(self) -> None:
        self._handle = None
        self.is_running = False
        self._callback()


class GuardedTransport(asyncio.Transport):
    """Around ``wire``: as it, but ``close`` lingers, and ``watch_writes`` ends a client that does not read.

    ``is_client_sending`` tells whether the client owes us bytes that nobody will read. Then closing ends our
    direction only, and the other one after ``linger_seconds`` or the client's own end. A client that
    is behind has to read ``write_size`` bytes in every ``write_seconds``.
    """

    def __init__(
        self,
        wire: asyncio.Transport,
        is_client_sending: Callable[[], bool],
        *,
        write_seconds: float,
        write_size: int,
        linger_seconds: float,
    ) -> None:
        super().__init__()
        self._wire = wire
        self._is_client_sending = is_client_sending
        self._write_seconds = write_seconds
        self._write_size = write_size
        self._linger_seconds = linger_seconds
        self._has_closed = False
        self._is_reading = True
        self._unsent = 0
        self._write_timer = Timer(self._check_writes)
        self._linger_timer = Timer(wire.close)

    def close(self) -> None:
        if self.is_closing():
            return
        self._has_closed = True
        self.watch_writes()
        if not self._is_client_sending():
            self._wire.close()
            return
        self.resume_reading()
        if self._wire.can_write_eof():
            self._wire.write_eof()
        self._linger_timer.start(self._linger_seconds)

    def watch_writes(self) -> None:
        """From now on the client has to make progress, until ``resume_writing`` or the end."""
        self._unsent = self._wire.get_write_buffer_size()
        self._write_timer.start(self._write_seconds)

    def unwatch_writes(self) -> None:
        if not self._has_closed:
            self._write_timer.stop()

    def forget(self) -> None:
        """The connection is lost: let go of everything."""
        self._has_closed = True
        self._write_timer.stop()
        self._linger_timer.stop()

    def is_closing(self) -> bool:
        return self._has_closed or self._wire.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing():
            self._wire.write(data)

    def pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self._wire.resume_reading()

    def abort(self) -> None:
        self._wire.abort()

    def get_write_buffer_size(self) -> int:
        return self._wire.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._wire.get_extra_info(name, default)

    def _check_writes(self) -> None:
        unsent = self._wire.get_write_buffer_size()
        if unsent > max(0, self._unsent - self._write_size):
            self._wire.abort()
        elif unsent:
            self.watch_writes()
