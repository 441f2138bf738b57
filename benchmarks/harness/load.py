"""A load generator that is not the bottleneck: HTTP/1.1 on protocols, its answers parsed in C.

Closed loop: every connection has one request on the way. Open loop (``rate``): requests leave on a schedule,
whatever became of those before, and a latency counts from the moment that the schedule had for it.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import httptools
import uvloop

from harness.histogram import Histogram
from harness.webhooks import Webhook, pooled, stamped

GRACE_S = 20.0
"""How long answers are waited for after the last request."""
RECONNECT_S = 0.02
TICK_S = 0.001
SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Measured for ``seconds`` after ``warm_up_s``, or until so many ``requests``. ``rate``: per second."""

    webhooks: tuple[Webhook, ...]
    seconds: float
    warm_up_s: float = 0.5
    connections: int = 64
    size: int = 1024
    rate: float | None = None
    requests: int | None = None
    is_stamped: bool = False


@dataclass(slots=True)
class Result:
    """``accepted``: all that got a 2xx, in the warm-up too; ``answered``: those of the measured time."""

    latencies: Histogram = field(default_factory=Histogram)
    statuses: Counter[int] = field(default_factory=Counter)
    answered: int = 0
    seconds: float = 0.0
    lost: int = 0
    """Requests whose connection ended before the answer, or that were not answered in time."""
    processor_s: float = 0.0
    """What the generator itself has used, of ``elapsed_s``."""
    elapsed_s: float = 0.0

    @property
    def accepted(self) -> int:
        return sum(count for status, count in self.statuses.items() if status in SUCCESS)

    @property
    def rate(self) -> float:
        return self.answered / self.seconds

    @property
    def failures(self) -> dict[str, int]:
        """By status, and ``lost``; empty when all went well."""
        found = {str(status): count for status, count in self.statuses.items() if status not in SUCCESS}
        return found | ({"lost": self.lost} if self.lost else {})


def run(plan: Plan) -> Result:
    """Blocks; to be called in a process that does nothing else."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Generator(plan).run())


class _Generator:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        make = stamped if plan.is_stamped else pooled
        self._requests: Iterator[bytes] = make(plan.webhooks, plan.size)
        self._left = plan.requests if plan.requests is not None else -1
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()
        self._waiting: deque[float] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._is_over = False
        self._done = asyncio.Event()
        self._result = Result()
        self._from = self._until = 0.0

    async def run(self) -> Result:
        next(self._requests)  # signs the pool
        await asyncio.gather(*(self._connect() for _ in range(self._plan.connections)))
        began, processor = time.perf_counter(), time.process_time()
        self._from = began + self._plan.warm_up_s
        self._until = self._from + self._plan.seconds
        await (self._close_loop() if self._plan.rate is None else self._open_loop(self._plan.rate))
        self._is_over = True
        await self._drain()
        result = self._result
        result.elapsed_s = time.perf_counter() - began
        result.processor_s = time.process_time() - processor
        result.seconds = min(time.perf_counter(), self._until) - self._from
        return result

    async def _close_loop(self) -> None:
        while self._idle and not self._done.is_set():
            self._send(self._idle.popleft(), time.perf_counter())
        try:
            async with asyncio.timeout(self._until - time.perf_counter()):
                await self._done.wait()
        except TimeoutError:
            pass

    async def _open_loop(self, rate: float) -> None:
        due, now = time.perf_counter(), time.perf_counter()
        while now < self._until and not self._done.is_set():
            while due <= now:
                self._waiting.append(due)
                due += 1 / rate
            self._send_waiting()
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()

    async def _drain(self) -> None:
        deadline = time.perf_counter() + GRACE_S
        while (self._busy or self._waiting) and time.perf_counter() < deadline:
            self._send_waiting()
            await asyncio.sleep(TICK_S)
        self._result.lost += len(self._busy) + len(self._waiting)
        for connection in [*self._idle, *self._busy]:
            connection.end()

    def _send_waiting(self) -> None:
        while self._waiting and self._idle and not self._done.is_set():
            self._send(self._idle.popleft(), self._waiting.popleft())

    async def _connect(self) -> None:
        port = self._plan.webhooks[0].port
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)

    def _send(self, connection: "_Connection", since: float) -> None:
        if not self._left:
            self._done.set()
            self._waiting.clear()
            self._idle.append(connection)
            return
        self._left -= 1
        self._busy.add(connection)
        connection.send(next(self._requests), since)

    def connected(self, connection: "_Connection") -> None:
        if self._plan.rate is None and self._from and not self._is_over:
            self._send(connection, time.perf_counter())
        else:
            self._idle.append(connection)

    def answered(self, connection: "_Connection", status: int, since: float) -> None:
        now = time.perf_counter()
        self._busy.discard(connection)
        self._result.statuses[status] += 1
        if self._from <= now <= self._until or (self._plan.rate and self._from <= since):
            self._result.latencies.record(now - since)
            self._result.answered += status in SUCCESS
        if self._plan.rate is None and not self._is_over:
            self._send(connection, now)
        else:
            self._idle.append(connection)

    def disconnected(self, connection: "_Connection") -> None:
        if connection in self._busy:
            self._busy.discard(connection)
            self._result.lost += 1
        elif connection in self._idle:
            self._idle.remove(connection)
        if not self._is_over:
            asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)

    def _reconnect(self) -> None:
        if not self._is_over:
            self._connecting.add(task := asyncio.ensure_future(self._connect()))
            task.add_done_callback(self._has_reconnected)

    def _has_reconnected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)


class _Connection(asyncio.Protocol):
    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._parser = httptools.HttpResponseParser(self)
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def send(self, request: bytes, since: float) -> None:
        self._since = since
        if self._transport is not None:
            self._transport.write(request)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._generator.connected(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._generator.answered(self, self._parser.get_status_code(), self._since)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's interface
        self._generator.disconnected(self)
