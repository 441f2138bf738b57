"""A tenant's counters, and the events that tell of them: all in the caller's transaction."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.context import Actor, Context
from app.core import clock
from app.core.ids import TenantId
from app.events.publisher import EventPublisher
from app.limits.rates import share_of_quota
from app.limits.repository import UsageRepository
from app.models import EventType, Metric, UsageCounter

NEAR_PERCENT: Final = 80
"""Of the limit, at which ``usage.threshold_reached`` is published."""

ACTOR: Final = Actor("system", "limits", "limits")


class Usage:
    def __init__(self, session: AsyncSession, tenant_id: TenantId, tenant_slug: str = "") -> None:
        self._counters = UsageRepository(session, tenant_id)
        self._events = EventPublisher(session, Context(tenant_id, tenant_slug, ACTOR))

    async def reserve(self, day: date, limit: int, wanted: int, *, returned: int = 0) -> int:
        """Up to ``wanted`` executions of the day, counted as used; 0 when there are none left."""
        row = await self._counters.lock(Metric.EXECUTIONS, day)
        row.used = max(0, row.used - returned)
        tokens = share_of_quota(wanted, limit - row.used)
        row.used += tokens
        self._tell(row, limit, is_refused=tokens == 0)
        return tokens

    async def book(self, day: date, amount: int) -> None:
        """Count what was executed, or, if negative, what was reserved and not used."""
        row = await self._counters.lock(Metric.EXECUTIONS, day)
        row.used = max(0, row.used + amount)

    def _tell(self, row: UsageCounter, limit: int, *, is_refused: bool) -> None:
        """Each event once in a period, with the counter's lock held."""
        if not row.is_near and row.used * 100 >= limit * NEAR_PERCENT:
            row.is_near = True
            self._publish(EventType.USAGE_THRESHOLD_REACHED, row, limit, sequence=1)
        if not row.is_exceeded and is_refused:
            row.is_exceeded = True
            self._publish(EventType.USAGE_LIMIT_EXCEEDED, row, limit, sequence=2)

    def _publish(self, type: EventType, row: UsageCounter, limit: int, *, sequence: int) -> None:
        payload = {
            "metric": row.metric,
            "period": "day",
            "started_at": clock.to_wire(start_of(row.day)),
            "resets_at": clock.to_wire(end_of(row.day)),
            "limit": limit,
            "used": row.used,
        }
        if type == EventType.USAGE_THRESHOLD_REACHED:
            payload["threshold_percent"] = NEAR_PERCENT
        self._events.publish(type, f"{row.metric}:{row.day}", payload, sequence=sequence)


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def end_of(day: date) -> datetime:
    return start_of(day) + timedelta(days=1)
