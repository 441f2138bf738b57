"""What this process may spend of a limit without asking. Pure: the time is an argument, in seconds."""

import asyncio
import math
from datetime import date
from typing import Final
from uuid import UUID

from app.core.errors import TooManyRequests
from app.core.ids import TenantId
from app.limits.errors import QuotaExceeded, RateLimited
from app.limits.rates import LATE_S, LEASE_S, MOST_OF_A_BURST, QUOTA_LEASE_S, RECHECK_S, Rate, next_lease

BOOKED_AFTER_S: Final = 30.0
"""How long a count that nothing limits may wait until it is written."""
UNCOUNTED: Final = 2**53

NEVER: Final = -math.inf


class Meter:
    """A lease: ``tokens`` are there to be counted down as long as the time is before ``until``.

    ``closed_until``: before it the database has nothing to give, so nobody asks it.
    """

    __slots__ = (
        *("tenant_id", "id", "tokens", "size", "since", "until", "closed_until"),
        *("opens_at", "wanted", "refill"),
    )

    lease_s: float = LEASE_S

    def __init__(self, tenant_id: TenantId, id: UUID) -> None:
        self.tenant_id = tenant_id
        self.id = id
        self.tokens = 0
        self.size = 0
        self.since = self.until = self.closed_until = NEVER
        self.opens_at = NEVER
        """When there will be a token again, unless somebody hands one back before."""
        self.wanted = 1
        """How many tokens to ask for next."""
        self.refill: asyncio.Task[None] | None = None
        """Who asks the database for all who wait."""

    def is_ready(self, now: float) -> bool:
        return self.tokens > 0 and now < self.until

    def is_due(self, now: float) -> bool:
        """Whether what is left of the lease can be handed back."""
        return self.size > 0 and now >= self.until

    def open(self, tokens: int, now: float, until: float) -> None:
        self.tokens = self.size = tokens
        self.since, self.until, self.closed_until = now, until, NEVER

    def end(self, now: float) -> int:
        """End the lease; the tokens that were not spent."""
        unspent = self.tokens
        if self.size > 0:
            self.wanted = next_lease(self.size, self.size - unspent, now - self.since, self.lease_s)
        self.tokens = self.size = 0
        return unspent

    def close(self, now: float, until: float, opens_at: float) -> None:
        """There is nothing before ``opens_at``, and nobody asks before ``until``."""
        self.closed_until = max(until, min(opens_at, now + RECHECK_S))
        self.opens_at = opens_at

    def refusal(self, now: float) -> TooManyRequests:
        raise NotImplementedError

    def _seconds_closed(self, now: float) -> int:
        return max(1, math.ceil(self.opens_at - now))


class RateMeter(Meter):
    """A lease on a bucket of ``rate_buckets``. ``kind``: ``handler`` or ``tenant``, as the sender is told."""

    __slots__ = ("kind", "rate")

    def __init__(self, tenant_id: TenantId, id: UUID, kind: str, rate: Rate) -> None:
        super().__init__(tenant_id, id)
        self.kind = kind
        self.rate = rate

    def change(self, rate: Rate) -> None:
        """What the former rate refused, this one may allow."""
        if rate != self.rate:
            self.rate = rate
            self.closed_until = NEVER

    def end(self, now: float) -> int:
        """What is handed back late was filled in meanwhile, so that it would be there twice."""
        is_late = now - self.since > LATE_S
        unspent = super().end(now)
        self.wanted = max(1, min(self.wanted, self.rate.burst // MOST_OF_A_BURST))
        return 0 if is_late else unspent

    def answered(self, tokens: int, wait_s: float, now: float) -> None:
        """By the database: so many tokens, or none for so long."""
        if tokens > 0:
            self.open(tokens, now, now + self.lease_s)
        else:
            self.close(now, now + self.rate.pause_s, now + wait_s)

    def refusal(self, now: float) -> TooManyRequests:
        wait = self._seconds_closed(now)
        return RateLimited(
            headers={
                "Retry-After": str(wait),
                "RateLimit": f'"{self.kind}";r=0;t={wait}',
                "RateLimit-Policy": f'"{self.kind}";q={self.rate.burst};w={math.ceil(self.rate.fill_s)}',
            }
        )


class DayMeter(Meter):
    """What is spent belongs to a ``day`` of the tenant's ``usage_counters``."""

    __slots__ = ("day",)

    def __init__(self, tenant_id: TenantId, day: date) -> None:
        super().__init__(tenant_id, tenant_id)
        self.day = day


class QuotaMeter(DayMeter):
    """A part of the day's quota, reserved for this process."""

    __slots__ = ("limit", "tenant_slug")

    lease_s = QUOTA_LEASE_S

    def __init__(self, tenant_id: TenantId, tenant_slug: str, day: date, limit: int) -> None:
        super().__init__(tenant_id, day)
        self.tenant_slug = tenant_slug
        self.limit = limit

    def change(self, limit: int) -> None:
        """What the former limit refused, this one may allow."""
        if limit != self.limit:
            self.limit = limit
            self.closed_until = NEVER

    def answered(self, tokens: int, day: date, reset_s: float, now: float) -> None:
        """By the database: so many tokens, or none, of the day that ends in ``reset_s``."""
        self.day = day
        if tokens > 0:
            self.open(tokens, now, now + min(self.lease_s, reset_s))
        else:
            self.close(now, now, now + reset_s)

    def refusal(self, now: float) -> TooManyRequests:
        return QuotaExceeded(headers={"Retry-After": str(self._seconds_closed(now))})


class CountMeter(DayMeter):
    """Counts what nothing limits: always ready, and booked some time later."""

    __slots__ = ()

    def __init__(self, tenant_id: TenantId, day: date, now: float) -> None:
        super().__init__(tenant_id, day)
        self.open(UNCOUNTED, now, math.inf)

    @property
    def spent(self) -> int:
        return self.size - self.tokens

    def is_due_on(self, day: date, now: float) -> bool:
        """Whether the count is to be written: it is old enough, or its day is over."""
        return self.spent != 0 and (day != self.day or now - self.since >= BOOKED_AFTER_S)

    def restart(self, day: date, now: float) -> int:
        """Count from zero, for that day; what was counted so far."""
        spent = self.spent
        self.day = day
        self.open(UNCOUNTED, now, math.inf)
        return spent
