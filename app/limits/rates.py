"""What a limit says, and how much of it a process asks for at a time. Pure; times are seconds."""

import math
from dataclasses import dataclass
from typing import Final

from app.core.settings import Settings
from app.handlers.limits import RateLimit
from app.tenants.limits import TenantLimits

LEASE_S: Final = 1.0
"""How long leased tokens are good: what a process that dies takes along."""
LATE_S: Final = 3 * LEASE_S
"""After which nothing of a lease goes back into a bucket."""
QUOTA_LEASE_S: Final = 60.0
RECHECK_S: Final = 10.0
"""Between two looks at what is used up for long: another process may have handed something back."""

MOST_OF_A_BURST: Final = 4
MOST_OF_A_QUOTA: Final = 32
LEAST_OF_A_QUOTA: Final = 256
"""A lease is at most a quarter of a burst, and between 1/256 and 1/32 of what is left of a quota, so that no
process keeps from the others what it does not use."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: ``requests`` in ``per_s`` seconds on average, up to ``burst`` at once."""

    requests: float
    per_s: float
    burst: int

    @property
    def per_second(self) -> float:
        return self.requests / self.per_s

    @property
    def fill_s(self) -> float:
        """How long an empty bucket takes to be full."""
        return self.burst / self.per_second

    @property
    def pause_s(self) -> float:
        """The least time that a refusal is believed: a flood asks ten times a second, not at every token.

        Shorter for a bucket that would overflow meanwhile.
        """
        return min(0.1, self.fill_s / 2)


def rate_of_handler(stored: dict[str, object] | None) -> Rate | None:
    if stored is None:
        return None
    limit = RateLimit.model_validate(stored)
    return Rate(limit.requests, limit.per, limit.burst or limit.requests)


def rate_of_tenant(limits: TenantLimits, settings: Settings) -> Rate | None:
    """The tenant's own, or the service's; a burst is one second's worth where none is set."""
    per_second = limits.webhooks_per_second or settings.tenant_rate_limit
    if per_second is None:
        return None
    burst = limits.burst or (None if limits.webhooks_per_second else settings.tenant_burst)
    return Rate(per_second, 1, burst or max(1, math.ceil(per_second)))


def quota_of_tenant(limits: TenantLimits, settings: Settings) -> int | None:
    own = limits.executions_per_day
    return settings.tenant_executions_per_day if own is None else own


def limits_of_tenant(stored: dict[str, object] | None) -> TenantLimits:
    return TenantLimits.model_validate(stored or {})


def next_lease(size: int, spent: int, took_s: float, lease_s: float) -> int:
    """What to ask for after a lease of ``size``, of which ``spent`` were spent in ``took_s``.

    The traffic of one lease's time, and at most twice what there was: a burst is followed in few steps.
    """
    expected = spent * lease_s / max(took_s, 0.001)
    return max(1, min(2 * size, math.ceil(expected)))


def share_of_quota(wanted: int, left: int) -> int:
    """How much of what is ``left`` a process reserves that expects to spend ``wanted``; 0 of nothing."""
    return max(0, min(left, max(1, left // LEAST_OF_A_QUOTA, min(wanted, left // MOST_OF_A_QUOTA))))
