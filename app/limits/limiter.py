"""Counts webhooks against the limits of handlers and tenants, over all processes, without a query for each.

A process leases tokens from a row in PostgreSQL, spends them in memory and hands back what is left: about one
statement per second, limit and process. How exact that is stands in ``docs/webhooks.md``.

It fails closed: while the database does not answer, whoever has no lease gets a 503. A webhook could not be
stored then either, and a limit that opens under load is none.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import Final, TypeVar
from uuid import UUID
from weakref import WeakSet

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.core import clock
from app.core.errors import NotFound
from app.core.ids import TenantId
from app.core.networks import Networks
from app.core.settings import Settings
from app.db.session import Database
from app.limits.meters import CountMeter, DayMeter, Meter, QuotaMeter, RateMeter
from app.limits.policy import Limits
from app.limits.rates import Rate, limits_of_tenant, quota_of_tenant, rate_of_handler, rate_of_tenant
from app.limits.repository import BucketRepository
from app.limits.usage import Usage, end_of
from app.models import Handler, Tenant

SETTLE_S: Final = 1.0
SWEEP_S: Final = 60.0
"""Between two looks for meters that no route has any more."""

_log = structlog.get_logger(__name__)

M = TypeVar("M", bound=Meter)


class Clock:
    """The time, as a limiter sees it."""

    monotonic = staticmethod(time.monotonic)

    def now(self) -> datetime:
        return clock.now()

    def in_database(self) -> datetime | None:
        """None: PostgreSQL's own, so that no machine's wrong clock fills the buckets of all."""
        return None


class Limiter:
    def __init__(self, database: Database, settings: Settings, time: Clock | None = None) -> None:
        self._database = database
        self._settings = settings
        self._time = time or Clock()
        self._monotonic = self._time.monotonic
        self._meters: dict[tuple[type[Meter], UUID], Meter] = {}
        self._in_use: WeakSet[Limits] = WeakSet()
        self._swept_at = self._monotonic()

    def policy_of(self, handler: Handler, tenant: Tenant) -> Limits:
        """What a cached route keeps. A change of the rows has to be told by asking again."""
        meters: list[Meter] = []
        if (own := rate_of_handler(handler.rate_limit)) is not None:
            meters.append(self._rate_meter(tenant, handler.id, "handler", own))
        limits = limits_of_tenant(tenant.limits)
        if (rate := rate_of_tenant(limits, self._settings)) is not None:
            meters.append(self._rate_meter(tenant, tenant.id, "tenant", rate))
        day = self._day_meter(tenant, quota_of_tenant(limits, self._settings))
        allowed = None if handler.allowed_cidrs is None else Networks(handler.allowed_cidrs)
        policy = Limits((*meters, day), day, allowed)
        self._in_use.add(policy)
        return policy

    def try_take(self, limits: Limits) -> bool:
        """Take a token of every meter from what this process holds; False if ``take`` has to ask.

        Raises ``RateLimited`` or ``QuotaExceeded`` as long as it is known that there is none.
        """
        now = self._monotonic()
        meters = limits.meters
        for meter in meters:
            if meter.tokens <= 0 or now >= meter.until:
                _refuse_if_closed(meters, now)
                return False
        for meter in meters:
            meter.tokens -= 1
        return True

    async def take(self, limits: Limits) -> None:
        """The same, asking the database for more. Holds no transaction when it returns."""
        while not self.try_take(limits):
            for meter in limits.meters:
                if not meter.is_ready(self._monotonic()):
                    await self._refilled(meter)

    async def run(self) -> None:
        """Hand back and book once a second, until cancelled."""
        while True:
            await asyncio.sleep(SETTLE_S)
            try:
                await self.settle()
            except Exception as error:  # noqa: BLE001 - who only counts must not stop who serves
                _log.warning("limits.not_settled", error=type(error).__name__)

    async def settle(self) -> None:
        """Hand back what is left of leases that have ended, and write the counts that are old enough."""
        now, today = self._monotonic(), self._today()
        for meter in [*self._meters.values()]:
            if isinstance(meter, CountMeter):
                if meter.is_due_on(today, now):
                    await self._book(meter, today)
            elif meter.is_due(now):
                await self._hand_back(meter)
        if now - self._swept_at >= SWEEP_S:
            self._swept_at = now
            await self._sweep()

    async def close(self) -> None:
        """Hand back and write everything: when the process ends, and no request is answered any more."""
        with suppress(SQLAlchemyError, OSError):
            for meter in self._meters.values():
                if isinstance(meter, CountMeter):
                    await self._book(meter, self._today())
                else:
                    await self._hand_back(meter)

    def _rate_meter(self, tenant: Tenant, id: UUID, kind: str, rate: Rate) -> RateMeter:
        meter = self._meter(RateMeter, id, lambda: RateMeter(TenantId(tenant.id), id, kind, rate))
        meter.change(rate)
        return meter

    def _day_meter(self, tenant: Tenant, limit: int | None) -> DayMeter:
        id, today = TenantId(tenant.id), self._today()
        if limit is None:
            return self._meter(CountMeter, id, lambda: CountMeter(id, today, self._monotonic()))
        meter = self._meter(QuotaMeter, id, lambda: QuotaMeter(id, tenant.slug, today, limit))
        meter.change(limit)
        return meter

    def _meter(self, kind: type[M], id: UUID, make: Callable[[], M]) -> M:
        """The one meter of its kind and id: every route counts on it."""
        meter = self._meters.get((kind, id))
        if not isinstance(meter, kind):
            meter = self._meters[kind, id] = make()
        return meter

    async def _refilled(self, meter: Meter) -> None:
        """Ask once for all who wait. One who goes away takes nobody else's answer along."""
        if meter.refill is None:
            meter.refill = asyncio.create_task(self._refill(meter))
            meter.refill.add_done_callback(lambda task: _refill_ended(meter, task))
        await asyncio.shield(meter.refill)

    async def _refill(self, meter: Meter) -> None:
        try:
            if isinstance(meter, RateMeter):
                await self._lease(meter)
            elif isinstance(meter, QuotaMeter):
                await self._reserve(meter)
        except IntegrityError as error:  # the tenant was deleted, and its routes are not forgotten yet
            raise NotFound from error

    async def _lease(self, meter: RateMeter) -> None:
        unspent = meter.end(self._monotonic())
        async with self._database.transaction(meter.tenant_id) as session:
            buckets = BucketRepository(session, meter.tenant_id)
            grant = await buckets.take(
                meter.id, meter.rate, meter.wanted, returned=unspent, at=self._time.in_database()
            )
        meter.answered(grant.tokens, grant.wait_s, self._monotonic())

    async def _reserve(self, meter: QuotaMeter) -> None:
        now, today = self._time.now(), self._today()
        unspent = meter.end(self._monotonic())
        async with self._database.transaction(meter.tenant_id) as session:
            usage = Usage(session, meter.tenant_id, meter.tenant_slug)
            if meter.day != today and unspent:
                await usage.book(meter.day, -unspent)
                unspent = 0
            tokens = await usage.reserve(today, meter.limit, meter.wanted, returned=unspent)
        meter.answered(tokens, today, (end_of(today) - now).total_seconds(), self._monotonic())

    async def _hand_back(self, meter: Meter) -> None:
        unspent = meter.end(self._monotonic())
        if unspent == 0:
            return
        # The tenant may have been deleted.
        with suppress(IntegrityError):
            async with self._database.transaction(meter.tenant_id) as session:
                if isinstance(meter, RateMeter):
                    await BucketRepository(session, meter.tenant_id).give_back(meter.id, meter.rate, unspent)
                elif isinstance(meter, QuotaMeter):
                    await Usage(session, meter.tenant_id).book(meter.day, -unspent)

    async def _book(self, meter: CountMeter, today: date) -> None:
        day = meter.day
        spent = meter.restart(today, self._monotonic())
        if spent == 0:
            return
        try:
            async with self._database.transaction(meter.tenant_id) as session:
                await Usage(session, meter.tenant_id).book(day, spent)
        except IntegrityError:  # the tenant was deleted
            return
        except (SQLAlchemyError, OSError):
            meter.tokens -= spent
            raise

    async def _sweep(self) -> None:
        """Forget the meters that are in no route, with their buckets where these are full."""
        used = {meter for limits in self._in_use for meter in limits.meters}
        for key, meter in [*self._meters.items()]:
            if meter in used or _is_held(meter):
                continue
            del self._meters[key]
            if isinstance(meter, RateMeter):
                async with self._database.transaction(meter.tenant_id) as session:
                    buckets = BucketRepository(session, meter.tenant_id)
                    await buckets.forget_full(meter.id, at=self._time.in_database())

    def _today(self) -> date:
        return self._time.now().date()


def _refuse_if_closed(meters: tuple[Meter, ...], now: float) -> None:
    for meter in meters:
        if now < meter.closed_until:
            raise meter.refusal(now)


def _is_held(meter: Meter) -> bool:
    """Whether something is to be handed back or booked, or is being asked for."""
    spent_or_left = meter.spent if isinstance(meter, CountMeter) else meter.size
    return spent_or_left != 0 or meter.refill is not None


def _refill_ended(meter: Meter, task: asyncio.Task[None]) -> None:
    meter.refill = None
    if not task.cancelled():
        task.exception()  # seen, also where everybody who waited for it has gone
