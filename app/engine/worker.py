"""The loop that claims due work, does as much at a time as it may, and stores what came of it, in bulk.

Claims, readings and endings are batches whose size the load makes: a lone piece of work is claimed, done and
stored at once, a thousand are claimed and stored by the hundred.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Final, Generic

import structlog

from app.core import clock
from app.core.ids import first_id
from app.db.outages import DATABASE_ERRORS
from app.engine import metrics
from app.engine.claim import Claim, Wanted
from app.engine.slots import Limits, Slots
from app.engine.source import Done, J, R, Source
from app.engine.walk import Walk

MAX_BATCH: Final = 128
EAGER: Final = 4
"""A claim is worth its while when this part of the slots is free, or after ``LINGER_S``."""
LINGER_S: Final = 0.005
MAX_BACKOFF_S: Final = 5.0
RECENT: Final = timedelta(days=2)
"""Nearly all that is due was made since; what is older is looked for now and then."""
GATHER_S: Final = 0.002
"""What others that are under way get to end in the same batch: nobody waits for an ending to be stored."""
RETRY_FINISH_S: Final = 0.25

_log = structlog.get_logger(__name__)


class Worker(Generic[J, R]):
    """``poll_s``: seconds between two looks when nothing was due; ``lease_s``: how long a claim lasts."""

    def __init__(self, source: Source[J, R], limits: Limits, *, poll_s: float, lease_s: float) -> None:
        self.slots = Slots(limits)
        self._source = source
        self._total = limits.total
        self._poll_s = poll_s
        self._lease_s = lease_s
        self._claims: set[Claim] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: deque[Done[J, R]] = deque()
        self._is_storing = False
        self._bell = asyncio.Event()
        self._freed = asyncio.Event()
        self._is_awaiting_room = False
        """Whether more may be had as soon as any slot is free, or a full lane has one again."""
        self._walk = Walk()

    def ring(self) -> None:
        """There may be something to do: look now."""
        self._bell.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; then claim nothing more and wait for what is under way."""
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep_claims())
            stopping = group.create_task(self._ring_at(stop))
            await self._claim_until(stop)
            while self._tasks:
                await asyncio.wait([*self._tasks])
            keeper.cancel()
            stopping.cancel()

    async def _ring_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._bell.set()
        self._freed.set()

    async def _claim_until(self, stop: asyncio.Event) -> None:
        backoff = self._poll_s
        while not stop.is_set():
            try:
                is_exhausted = await self._claim_some()
            except DATABASE_ERRORS as error:
                _log.warning("worker.database_unavailable", error=type(error).__name__)
                backoff = min(backoff * 2, MAX_BACKOFF_S)
                await _heard(stop, backoff)
                continue
            backoff = self._poll_s
            if is_exhausted:
                await _heard(self._bell, self._poll_s)
            else:
                await self._until_worthwhile(stop)

    async def _claim_some(self) -> bool:
        """Claim and begin what there is room for; whether there was no more than that."""
        now = time.monotonic()
        metrics.show(self.slots, now)
        if self.slots.free <= 0:
            return False
        if self._walk.is_at_start:
            self._walk.begin_round(now, first_id(clock.now() - RECENT))
            # What is heard from now on is news to this round.
            self._bell.clear()
            self._is_awaiting_room = False
        self.slots.is_contended = self._walk.is_contended
        wanted = self._wanted(now)
        started = time.monotonic()
        claims = await self._source.claim(wanted)
        metrics.claimed(len(claims), time.monotonic() - started)
        self._walk.note(claims)
        if claims:
            self._claims.update(claims)
            self.slots.take(claims)
            self._spawn(self._begin(claims))
            self._is_awaiting_room |= self._is_any_cut_short(claims, wanted)
        if len(claims) >= wanted.most:
            self._walk.go_on_after(max(claim.lane for claim in claims))
            return False
        return self._walk.go_on(await self._source.lane_after(wanted))

    def _wanted(self, now: float) -> Wanted:
        return Wanted(
            most=min(self.slots.free, MAX_BATCH),
            start=self._walk.start,
            since=self._walk.since,
            per_lane=self.slots.per_lane,
            free=self.slots.room(now),
            per_tenant=self.slots.per_tenant,
            free_of_tenants=self.slots.room_of_tenants(),
        )

    async def _begin(self, claims: Sequence[Claim]) -> None:
        """What fails here is done again when the lease ends: by this worker or another."""
        jobs: list[tuple[Claim, J]] = []
        try:
            jobs = await self._source.read(claims)
        except Exception as error:  # noqa: BLE001 - a batch that cannot be read must not stop the others
            _log.error("worker.batch_interrupted", ids=_ids(claims), error=type(error).__name__)
        readable = {claim.id for claim, _ in jobs}
        for claim in claims:
            if claim.id not in readable:
                self._give_back(claim)
        for claim, job in jobs:
            self._spawn(self._perform(claim, job))

    async def _perform(self, claim: Claim, job: J) -> None:
        try:
            done = await self._source.perform(claim, job)
        except Exception as error:  # noqa: BLE001 - one of them must not stop the others
            _log.error("worker.job_interrupted", id=str(claim.id), error=type(error).__name__)
            self._give_back(claim)
            return
        self._is_awaiting_room |= self.slots.end(claim)
        now = time.monotonic()
        if done.is_answered:
            self.slots.answered(claim.lane, now, done.retry_after)
        elif done.is_answered is False:
            self.slots.failed(claim.lane, now)
        self._done.append(done)
        if not self._is_storing:
            self._is_storing = True
            self._spawn(self._store())

    async def _store(self) -> None:
        """Batch after batch, until nothing is left; what ends meanwhile makes up the next."""
        while self._done:
            if self.slots.calling and len(self._done) < MAX_BATCH:
                await asyncio.sleep(GATHER_S)
            batch = [self._done.popleft() for _ in range(min(len(self._done), MAX_BATCH))]
            try:
                await self._source.finish(batch)
            except Exception as error:  # noqa: BLE001 - the endings to come must still be stored
                # Once more, for the call was made; after that, whoever claims it next makes it again.
                ids = _ids(done.claim for done in batch)
                _log.warning("worker.finish_failed", ids=ids, error=type(error).__name__)
                await self._finish_again(batch)
            self._claims.difference_update([done.claim for done in batch])
            self.slots.release(len(batch))
            self._tell_of_room()
        self._is_storing = False

    async def _finish_again(self, batch: Sequence[Done[J, R]]) -> None:
        await asyncio.sleep(RETRY_FINISH_S)
        for done in batch:
            try:
                await self._source.finish([done])
            except Exception as error:  # noqa: BLE001 - one of them must not stop the others
                _log.error("worker.job_not_stored", id=str(done.claim.id), error=type(error).__name__)

    def _is_any_cut_short(self, claims: Sequence[Claim], wanted: Wanted) -> bool:
        """Whether a lane was given all that was free for it, though not all that it may have."""
        given = Counter(claim.lane for claim in claims)
        return any(
            number >= wanted.free.get(lane, wanted.per_lane) and not self.slots.is_full(lane)
            for lane, number in given.items()
        )

    def _give_back(self, claim: Claim) -> None:
        self._claims.discard(claim)
        self._is_awaiting_room |= self.slots.give_back(claim)
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        """Not at the end of each call: what is stored together makes room for a claim of its own size."""
        self._freed.set()
        if self._is_awaiting_room:
            self._bell.set()

    def _spawn(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_worthwhile(self, stop: asyncio.Event) -> None:
        """Until a good part of the slots is free or, after a moment, any."""
        deadline = time.monotonic() + LINGER_S
        while not stop.is_set():
            free = self.slots.free
            if free >= max(1, self._total // EAGER) or (free and time.monotonic() >= deadline):
                return
            self._freed.clear()
            await _heard(self._freed, LINGER_S if free else self._poll_s)

    async def _keep_claims(self) -> None:
        """Renew what is under way."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if not self._claims:
                continue
            try:
                await self._source.renew([*self._claims])
            except DATABASE_ERRORS as error:
                _log.warning("worker.renewal_failed", error=type(error).__name__)


def _ids(claims: Iterable[Claim]) -> list[str]:
    return [str(claim.id) for claim in claims]


async def _heard(event: asyncio.Event, seconds: float) -> None:
    """Wait until it is set, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
