from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.db.repository import TenantRepository
from app.limits.rates import Rate
from app.models import Metric, RateBucket, UsageCounter

_ROUNDING_S = 50e-6
"""A moment is rounded to microseconds: so much too early a token may be taken, at no lower price."""
_SLACK = timedelta(milliseconds=1)
"""How far a bucket may be in debt, so that what was taken early is not forgotten."""


@dataclass(frozen=True, slots=True)
class Grant:
    """``wait_s``: until there is one more token, 0 or less if there is."""

    tokens: int
    wait_s: float


class BucketRepository(TenantRepository[RateBucket]):
    """Buckets as the generic cell rate algorithm keeps them: by the one moment at which they are full.

    A bucket that is full at `T` holds `burst - (T - now) * rate` tokens; taking n moves `T` by n / rate. A
    lower burst or a clock that was set back leaves an empty bucket behind, never a debt.
    """

    model = RateBucket

    async def take(
        self, id: UUID, rate: Rate, wanted: int, *, returned: int = 0, at: datetime | None = None
    ) -> Grant:
        """Up to ``wanted`` tokens, after giving back ``returned``, in one statement that waits for its like.

        ``at``: the time, PostgreSQL's own if None: the one clock that all processes see.
        """
        moment = _moment(at)
        limit = moment + (timedelta(seconds=rate.fill_s) + _SLACK)
        back = timedelta(seconds=returned / rate.per_second)
        full_at = func.greatest(func.least(RateBucket.full_at, limit) - back, moment)
        tokens = func.floor(rate.burst - (_seconds(full_at - moment) - _ROUNDING_S) * rate.per_second)
        granted = func.greatest(0, func.least(wanted, tokens, rate.burst))
        at_first = min(wanted, rate.burst)
        statement = (
            insert(RateBucket)
            .values(
                tenant_id=self.tenant_id,
                id=id,
                full_at=moment + _interval(literal(float(at_first)), rate),
                granted=at_first,
            )
            .on_conflict_do_update(
                index_elements=[RateBucket.tenant_id, RateBucket.id],
                set_={"full_at": full_at + _interval(granted, rate), "granted": granted},
            )
            .returning(RateBucket.granted, _seconds(RateBucket.full_at - moment))
        )
        size, until_full = (await self.session.execute(statement)).one()
        return Grant(size, float(until_full) - (rate.burst - 1) / rate.per_second)

    async def give_back(self, id: UUID, rate: Rate, tokens: int) -> None:
        """Without effect on a bucket that is full meanwhile."""
        row = await self.session.get(RateBucket, (self.tenant_id, id), with_for_update=True)
        if row is not None:
            row.full_at -= timedelta(seconds=tokens / rate.per_second)

    async def forget_full(self, id: UUID, *, at: datetime | None = None) -> None:
        """Drop the bucket if it is full, which is what it is without a row."""
        await self.session.execute(
            delete(RateBucket).where(
                RateBucket.tenant_id == self.tenant_id,
                RateBucket.id == id,
                RateBucket.full_at <= _moment(at),
            )
        )


class UsageRepository:
    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def find(self, metric: Metric, day: date) -> UsageCounter | None:
        return await self._session.get(UsageCounter, (self._tenant_id, metric, day))

    async def lock(self, metric: Metric, day: date) -> UsageCounter:
        """The counter, made if need be, which nobody else changes until the transaction ends."""
        key = {"tenant_id": self._tenant_id, "metric": metric, "day": day}
        query = select(UsageCounter).filter_by(**key).with_for_update()
        row = await self._session.scalar(query)
        if row is not None:
            return row
        new = insert(UsageCounter).values(**key, used=0, is_near=False, is_exceeded=False)
        await self._session.execute(new.on_conflict_do_nothing())
        return (await self._session.scalars(query)).one()


def _moment(at: datetime | None) -> ColumnElement[datetime]:
    """The same in all of a statement."""
    return func.statement_timestamp() if at is None else literal(at, DateTime(timezone=True))


def _seconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.extract("epoch", interval)


def _interval(tokens: ColumnElement[float], rate: Rate) -> ColumnElement[timedelta]:
    """How long the bucket takes to get so many tokens."""
    return func.make_interval(0, 0, 0, 0, 0, 0, tokens / rate.per_second)
