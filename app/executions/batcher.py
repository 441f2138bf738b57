"""Group commit: requests that arrive while one batch is being stored make up the next.

Nobody waits for a batch to fill. While the database writes and flushes one, others gather, and leave when it
is back; so a batch is as large as the load makes it, and a lone request is stored at once. An execution is
acknowledged only after the commit that holds it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from app.core.errors import NotFound, Unavailable, Unprocessable
from app.db.outages import is_database_away
from app.db.session import Database
from app.executions import metrics
from app.executions.admission import NewExecution
from app.executions.errors import AdmissionQueueFull
from app.executions.repository import admit_all

FLIGHTS: Final = 2
"""Batches on their way at a time. More than one only if it is late or the next is full: batches that share a
processor and a disk come back no sooner, and are smaller, so that each webhook costs more."""
LATE_S: Final = 0.02
MAX_BATCH: Final = 256
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
LINGER_S: Final = 0.5
RETRY_PAUSES_S: Final = (0.05, 0.25, 1.0)
"""After which a batch is offered again when its connection was lost. Admission is idempotent by id."""
PATIENCE_S: Final = 10.0
"""In which a batch has to be stored and after which who still waits for one is refused: a database that hangs
keeps no sender waiting for ever."""
SHOW_S: Final = 1.0

SPOILED: Final = (asyncpg.PostgresError, TypeError, ValueError)
"""Why a batch is not stored though the database is there: one of its requests cannot be written."""

_log = structlog.get_logger(__name__)


Told = Callable[[UUID | Exception], None]
"""Gets the id under which the delivery is stored, or why it is not."""


@dataclass(slots=True)
class _Waiting:
    since: float
    new: NewExecution
    told: Told
    asked: asyncio.Future[UUID] | None = None
    is_told: bool = False

    @property
    def has_left(self) -> bool:
        return self.asked is not None and self.asked.done()

    def tell(self, outcome: UUID | Exception) -> None:
        self.is_told = True
        self.told(outcome)


class AdmissionBatcher:
    """``most_waiting``: executions that may wait to be stored; one more is refused, not kept waiting."""

    def __init__(self, database: Database, *, most_waiting: int) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._flying = 0
        self._flights: set[asyncio.Task[None]] = set()
        self._in_the_air = 0
        self._left_at = 0.0
        """When the latest batch left."""
        self._idle: list[asyncio.Future[None]] = []
        """Rung for a flight that has nobody to store."""
        self._is_called = False
        """Whether a flight is about to take those who wait."""
        self.on_stored: Callable[[], None] | None = None
        """Called after each batch: a worker in the same process need not wait for its next look."""

    @property
    def depth(self) -> int:
        """Executions that wait to be stored."""
        return len(self._waiting)

    async def admit(self, new: NewExecution) -> UUID:
        """The id under which the delivery is stored and committed: another's if it was seen before.

        Raises ``NotFound`` when the handler is gone, ``AdmissionQueueFull``, and ``Unavailable`` when the
        database does not take it.
        """
        if self.is_full_for(len(new.received.body)):
            metrics.queue_full()
            raise AdmissionQueueFull(headers={"Retry-After": "1"})
        admitted: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
        self._queue(_Waiting(time.monotonic(), new, lambda outcome: _settle(admitted, outcome), admitted))
        return await admitted

    def is_full_for(self, size: int) -> bool:
        """Whether an execution with a body of ``size`` bytes has to be refused."""
        return len(self._waiting) >= self._most_waiting or self._waiting_bytes + size > MAX_WAITING_BYTES

    def take(self, new: NewExecution, told: Told) -> None:
        """``admit`` for who is called back, and has asked before whether there is room."""
        self._queue(_Waiting(time.monotonic(), new, told))

    def _queue(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._waiting_bytes += len(waiting.new.received.body)
        if self._is_called or not self._may_leave(waiting.since):
            return
        if self._idle:
            self._ring()
        elif self._flying < FLIGHTS:
            self._flying += 1
            flight = asyncio.create_task(self._fly())
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        else:
            return
        self._is_called = True

    def _may_leave(self, now: float) -> bool:
        return not self._in_the_air or len(self._waiting) >= MAX_BATCH or now - self._left_at > LATE_S

    async def close(self) -> None:
        """Give back the connections; who still waits is stored first."""
        while self._flights:
            while self._idle:
                self._ring()
            await asyncio.wait([*self._flights], timeout=LINGER_S)

    def _ring(self) -> None:
        """A flight whose time is just up looks once more before it ends."""
        bell = self._idle.pop()
        if not bell.done():
            bell.set_result(None)

    async def watch(self) -> None:
        """Show the depth in the metrics, until cancelled: a database that hangs is no news of itself."""
        while True:
            metrics.queue_is(self.depth)
            await asyncio.sleep(SHOW_S)

    async def _fly(self) -> None:
        """Store batch after batch until nobody comes any more, over one connection as long as it lasts."""
        try:
            while self._waiting and self._may_leave(time.monotonic()):
                batch: list[_Waiting] = []
                try:
                    async with self._database.statements() as connection:
                        while batch := await self._next():
                            await self._store(connection, batch)
                except Exception as error:  # noqa: BLE001 - whatever it was, each of them has to be told
                    await self._recover(batch or self._take(), error)
        finally:
            # Nothing was awaited since the look at who waits: whoever comes next starts a flight, or
            # is taken along by the one that is in the air.
            self._flying -= 1

    async def _next(self) -> list[_Waiting]:
        """The next batch; none if nobody comes for a while. Until then the connection stays at hand: to take
        one from the pool costs as much as to store several."""
        if not (self._waiting and self._may_leave(time.monotonic())):
            bell: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(bell)
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await bell
            if bell in self._idle:
                self._idle.remove(bell)
        return self._take() if self._may_leave(time.monotonic()) else []

    def _take(self) -> list[_Waiting]:
        self._is_called = False
        batch: list[_Waiting] = []
        size = 0
        patience_ended = time.monotonic() - PATIENCE_S
        while self._waiting and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            waiting = self._waiting.popleft()
            body = len(waiting.new.received.body)
            size += body
            self._waiting_bytes -= body
            if waiting.has_left:
                continue
            if waiting.since < patience_ended:
                waiting.tell(_told(TimeoutError()))
            else:
                batch.append(waiting)
        return batch

    async def _store(self, connection: asyncpg.Connection, batch: Sequence[_Waiting]) -> None:
        started = self._left_at = time.monotonic()
        self._in_the_air += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                admitted = await admit_all(connection, [waiting.new for waiting in batch])
        finally:
            self._in_the_air -= 1
        metrics.stored(len(batch), time.monotonic() - started)
        for waiting in batch:
            waiting.is_told = True
        # The next batch leaves before this one's senders are told: that takes as long as to store it.
        asyncio.get_running_loop().call_soon(self._tell, batch, admitted)

    def _tell(self, batch: Sequence[_Waiting], admitted: Mapping[UUID, UUID]) -> None:
        if self.on_stored is not None:
            self.on_stored()
        for waiting in batch:
            try:
                waiting.told(admitted.get(waiting.new.id) or NotFound())
            except Exception as error:  # noqa: BLE001 - the others have to be told
                _log.error("admission.untold", execution_id=str(waiting.new.id), error=type(error).__name__)

    async def _recover(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Offer the batch again: whole, if the connection was lost; one by one, if one of them spoils it."""
        if is_database_away(error):
            error = await self._store_again(batch, error)
        elif isinstance(error, SPOILED) and len(batch) > 1:
            for waiting in batch:
                await self._store_alone(waiting)
        failed = [waiting for waiting in batch if not waiting.is_told and not waiting.has_left]
        for waiting in failed:
            waiting.tell(_told(error))
        if failed:
            ids = [str(waiting.new.id) for waiting in failed]
            metrics.not_stored(len(failed))
            _log.warning("admission.failed", execution_ids=ids, error=type(error).__name__)

    async def _store_again(self, batch: Sequence[_Waiting], error: Exception) -> Exception:
        """The last error; the batch is stored if nobody is left to be told of it."""
        for pause in RETRY_PAUSES_S:
            await asyncio.sleep(pause)
            try:
                async with self._database.statements() as connection:
                    await self._store(connection, batch)
            except Exception as another:  # noqa: BLE001 - the caller tells of it
                error = another
            else:
                _log.warning("admission.interrupted", rows=len(batch), error=type(error).__name__)
                break
        return error

    async def _store_alone(self, waiting: _Waiting) -> None:
        """The one that PostgreSQL cannot hold must not make the others suffer."""
        try:
            async with self._database.statements() as connection:
                await self._store(connection, [waiting])
        except Exception as error:  # noqa: BLE001 - its sender is told
            if not waiting.is_told and not waiting.has_left:
                metrics.not_stored(1)
                waiting.tell(_told(error))


def _settle(future: asyncio.Future[UUID], outcome: UUID | Exception) -> None:
    if future.done():  # who asked has left
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _told(error: Exception) -> Exception:
    """Each waiter gets an exception of its own: one that is raised twice gathers both tracebacks."""
    if isinstance(error, asyncpg.DataError | TypeError | ValueError):
        return Unprocessable("A value in the request cannot be stored.")
    return Unavailable(
        "The webhook was not stored, or it is not known to be: send it again.", headers={"Retry-After": "1"}
    )
