"""Upstreams as fast as Python has them: one answers 200 and notes when, the other never answers."""

import asyncio
import os
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

import httptools
import uvloop

from harness.processes import Beside, beside

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"status":"ok"}'
)
_STAMP = b'"sent":'


@dataclass(frozen=True, slots=True)
class Receipts:
    """By request, in nanoseconds of the monotonic clock; ``sent`` is 0 where the body names none."""

    received: "array[int]"
    sent: "array[int]"

    def __len__(self) -> int:
        return len(self.received)

    @property
    def delays(self) -> list[tuple[int, float]]:
        """When it was sent, and after how many seconds it was here, of each that names its moment."""
        pairs = zip(self.received, self.sent, strict=True)
        return [(sent, (received - sent) / 1e9) for received, sent in pairs if sent]


class Upstreams:
    """``healthy`` and ``hung``: base URLs."""

    def __init__(self, process: Beside) -> None:
        self._process = process
        self.pid = process.pid
        self.healthy, self.hung = ([f"http://127.0.0.1:{port}" for port in ports] for ports in process.said)

    def count(self) -> int:
        """Requests that the healthy ones have had since the last ``take``."""
        return int(self._process.ask("count"))

    def take(self) -> Receipts:
        receipts = self._process.ask("take")
        assert isinstance(receipts, Receipts)  # noqa: S101 -- what `_serve` sends
        return receipts

    def most_hung(self) -> int:
        """Requests that hung at a time, at most."""
        return int(self._process.ask("hung"))


@contextmanager
def upstreams(*, healthy: int = 1, hung: int = 0) -> Iterator[Upstreams]:
    with beside(_serve, healthy, hung) as process:
        yield Upstreams(process)


def _serve(pipe: Connection, healthy: int, hung: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer(pipe, healthy, hung))


async def _answer(pipe: Connection, healthy: int, hung: int) -> None:
    loop, ledger = asyncio.get_running_loop(), _Ledger()
    servers = [
        await loop.create_server(partial(kind, ledger), "127.0.0.1", 0, backlog=1024)
        for kind in (*[_Healthy] * healthy, *[_Hung] * hung)
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    pipe.send((ports[:healthy], ports[healthy:]))
    loop.add_reader(pipe.fileno(), _tell, pipe, ledger)
    await asyncio.Event().wait()


def _tell(pipe: Connection, ledger: "_Ledger") -> None:
    # uvloop made it non-blocking to watch it; receipts are more than it holds.
    os.set_blocking(pipe.fileno(), True)
    pipe.send(ledger.answer(pipe.recv()))


class _Ledger:
    def __init__(self) -> None:
        self.receipts = Receipts(array("q"), array("q"))
        self.hanging = 0
        self.most_hung = 0

    def answer(self, question: str) -> object:
        if question == "count":
            return len(self.receipts)
        if question == "hung":
            return self.most_hung
        taken, self.receipts = self.receipts, Receipts(array("q"), array("q"))
        return taken


class _Healthy(asyncio.Protocol):
    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger
        self._parser = httptools.HttpRequestParser(self)
        self._sent = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        at = body.find(_STAMP)
        if at >= 0:
            digits = body[at + len(_STAMP) : at + len(_STAMP) + 20].lstrip().split(b",")[0].rstrip(b"}")
            self._sent = int(digits)

    def on_message_complete(self) -> None:
        self._ledger.receipts.received.append(time.monotonic_ns())
        self._ledger.receipts.sent.append(self._sent)
        self._sent = 0
        if self._transport is not None:
            self._transport.write(_ANSWER)


class _Hung(asyncio.Protocol):
    """Reads and says nothing."""

    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger
        self._is_asked = False

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 -- asyncio's interface
        if not self._is_asked:
            self._is_asked = True
            self._ledger.hanging += 1
            self._ledger.most_hung = max(self._ledger.most_hung, self._ledger.hanging)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's interface
        self._ledger.hanging -= self._is_asked
