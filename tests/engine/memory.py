"""Work in memory, in the place of a database: what the loop asks for, and what it makes of the answers."""

import asyncio
from collections import Counter, defaultdict

from app.core.ids import TenantId, new_id
from app.engine.claim import Claim
from app.engine.source import Done

STEPS = 3
"""Lanes that one claim visits at most."""


class MemorySource:
    """Keeps the contract of ``Source``. ``waiting``: by lane, the longest due first."""

    def __init__(self):
        self.waiting = defaultdict(list)
        self.held = set()
        self.asked = []
        """Each ``Wanted``, oldest first."""
        self.renewed = []
        self.performed = []
        self.finished = []
        self.batches = []
        self.most_held = Counter()
        self.gates = {}
        """By lane: what is performed there waits for it."""
        self.errors = defaultdict(list)
        """By method, the errors that its next calls raise; a ``None`` is a call that goes well."""
        self.answers = {}
        """By lane: whether its upstream is there, and for how long it wants to be left alone."""
        self.on_claim = lambda: None

    def add(self, number, lane=1, tenant_id=None, since=None):
        tenant_id = tenant_id or TenantId(new_id())
        added = [Claim(tenant_id, since or new_id(), 1, lane) for _ in range(number)]
        self.waiting[lane] += added
        return added

    async def claim(self, wanted):
        self.asked.append(wanted)
        self._fail("claim")
        self.on_claim()
        claims = []
        for lane in self._lanes(wanted)[:STEPS]:
            most = min(wanted.free.get(lane, wanted.per_lane), wanted.most - len(claims))
            for one in self.waiting[lane]:
                free = wanted.free_of_tenants.get(one.tenant_id, wanted.per_tenant)
                given = Counter(claim.tenant_id for claim in claims)[one.tenant_id]
                if one.id >= wanted.since and given < free and most > 0:
                    claims.append(one)
                    most -= 1
        for one in claims:
            self.waiting[one.lane].remove(one)
        self.held |= {*claims}
        for lane, number in Counter(one.lane for one in self.held).items():
            self.most_held[lane] = max(self.most_held[lane], number)
        return claims

    async def lane_after(self, wanted):
        self._fail("lane_after")
        return next(iter(self._lanes(wanted)[STEPS:]), None)

    async def renew(self, claims):
        self.renewed.append({*claims})
        self._fail("renew")

    async def read(self, claims):
        self._fail("read")
        return [(claim, claim.id) for claim in claims]

    async def perform(self, claim, job):
        if gate := self.gates.get(claim.lane):
            await gate.wait()
        self._fail("perform")
        self.performed.append(claim)
        is_answered, retry_after = self.answers.get(claim.lane, (True, None))
        return Done(claim, job, None, is_answered, retry_after)

    async def finish(self, done):
        self.batches.append(len(done))
        self._fail("finish")
        self.finished += [one.claim for one in done]
        self.held -= {one.claim for one in done}

    def _lanes(self, wanted):
        """With work that waits, as a lane without any is not there."""
        return sorted(
            lane
            for lane, waiting in self.waiting.items()
            if lane >= wanted.start and any(one.id >= wanted.since for one in waiting)
        )

    def _fail(self, method):
        if self.errors[method] and (error := self.errors[method].pop(0)):
            raise error


async def until(condition):
    """Let everything else go on until then."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)
