"""Which work a worker has room for: in all, per tenant, per lane, and as its circuits allow. Pure.

A lane and a tenant have their slot back when the call is over, the worker when its result is stored: so the
calls that one upstream gets at a time are bounded, and what would be done twice if the worker died is too.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from app.core.ids import TenantId
from app.engine.circuit import Circuit
from app.engine.claim import Claim

K = TypeVar("K")

SHARE: Final = 4
"""One lane is given at most this part of what is free, so that even many that hang leave something over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Pieces of work that one worker process holds at a time."""

    total: int
    per_tenant: int
    per_lane: int


class Slots:
    """Counts what is held: claims whose call is not over or not stored. ``now``: monotonic seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0
        self._calling = 0
        self._by_lane: Counter[int] = Counter()
        self._by_tenant: Counter[TenantId] = Counter()
        self._circuits: dict[int, Circuit] = {}
        self.is_contended = True
        """Whether several lanes may want what is free; if not, one may have it all but a single slot."""

    @property
    def held(self) -> int:
        return self._held

    @property
    def calling(self) -> int:
        """Those whose call is not over."""
        return self._calling

    @property
    def free(self) -> int:
        return self._limits.total - self._held

    @property
    def per_lane(self) -> int:
        """How many a lane may be given that holds none yet."""
        # The one that is left over is for whoever comes next.
        share = self.free // SHARE if self.is_contended else self.free - 1
        return max(1, min(self._limits.per_lane, share))

    def room(self, now: float) -> dict[int, int]:
        """The lanes that may be given less than ``per_lane``, and how many."""
        most = self.per_lane
        room = {lane: max(0, min(self._limits.per_lane - held, most)) for lane, held in self._by_lane.items()}
        for lane, circuit in self._circuits.items():
            allowed = circuit.allows(now)
            if allowed is not None:
                room[lane] = max(0, min(allowed - self._by_lane[lane], most))
        return room

    @property
    def per_tenant(self) -> int:
        """How many a tenant may be given that holds none yet."""
        return self._limits.per_tenant

    def room_of_tenants(self) -> dict[TenantId, int]:
        """The tenants that may be given less, and how many: none where one tenant may have all."""
        most = self._limits.per_tenant
        if most >= self._limits.total:
            return {}
        return {tenant: max(0, most - held) for tenant, held in self._by_tenant.items()}

    def is_full(self, lane: int) -> bool:
        """Whether the lane holds all that its upstream gets at a time, or its circuit lets only some through:
        then it has more room when a call of its own is over, and not before."""
        return self._by_lane[lane] >= self._limits.per_lane or lane in self._circuits

    def take(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._held += 1
            self._calling += 1
            self._by_lane[claim.lane] += 1
            self._by_tenant[claim.tenant_id] += 1

    def end(self, claim: Claim) -> bool:
        """Its call is over; whether its lane or its tenant was full until now: more of it may wait."""
        was_full = self.is_full(claim.lane) or self._by_tenant[claim.tenant_id] >= self._limits.per_tenant
        self._calling -= 1
        _decrement(self._by_lane, claim.lane)
        _decrement(self._by_tenant, claim.tenant_id)
        return was_full

    def release(self, number: int) -> None:
        """So many of those whose call is over are stored."""
        self._held -= number

    def give_back(self, claim: Claim) -> bool:
        """As ``end``, but nothing will come of it."""
        self.release(1)
        return self.end(claim)

    def answered(self, lane: int, now: float, retry_after: float | None = None) -> None:
        circuit = self._circuits.get(lane)
        if circuit is None:
            if not retry_after:
                return
            circuit = self._circuits[lane] = Circuit()
        circuit.answered(now, retry_after)
        if circuit == Circuit():
            del self._circuits[lane]

    def failed(self, lane: int, now: float) -> None:
        for old in [old for old, circuit in self._circuits.items() if circuit.is_forgotten(now)]:
            del self._circuits[old]
        self._circuits.setdefault(lane, Circuit()).failed(now)

    def open_circuits(self, now: float) -> int:
        return sum(circuit.allows(now) == 0 for circuit in self._circuits.values())


def _decrement(counter: Counter[K], key: K) -> None:
    if counter[key] > 1:
        counter[key] -= 1
    else:
        del counter[key]
