"""The words of the engine: what a worker asks for, and what it holds, of whatever kind the work is.

Work waits in lanes. A lane is what one tenant sends to one upstream; it has slots of its own among a
worker's and a circuit of its own, so that an upstream that hangs costs its own slots, and one tenant's
trouble is its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.core.ids import TenantId

FIRST_LANE: Final = -(2**63)
"""The smallest lane there can be: where a walk through them starts."""
LAST_LANE: Final = 2**63 - 1


# Not frozen: that costs three times as much to make, and here it is made for all that is done.
@dataclass(slots=True)
class Claim:
    """The right to do one piece of work, as long as its row still shows this fence. Never changed."""

    tenant_id: TenantId
    id: UUID
    fence: int
    lane: int

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a worker has room for: ``most`` in all, ``per_lane`` of each lane, ``per_tenant`` of each tenant;
    of those in ``free`` and ``free_of_tenants``, that many.

    ``start``: the lane to begin with; ``since``: the oldest id to look at.
    """

    most: int
    start: int
    since: UUID
    per_lane: int
    per_tenant: int
    free: Mapping[int, int] = field(default_factory=dict)
    free_of_tenants: Mapping[TenantId, int] = field(default_factory=dict)
