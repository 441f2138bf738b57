from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.ids import TenantId
from app.engine.claim import Claim
from app.integrations.repository import BelongingRepository
from app.models import Integration, SyncSchedule, Tenant, TenantStatus

NO_LANE = 0
"""A schedule waits in none."""

_CLAIM = text("SELECT tenant_id, id, fence FROM app.claim_sync_schedule(:lease)")


async def claim_schedule(session: AsyncSession, lease: timedelta) -> Claim | None:
    """The right to run the schedule that is due longest, whoever's it is."""
    row = (await session.execute(_CLAIM, {"lease": lease})).one_or_none()
    return None if row is None else Claim(TenantId(row.tenant_id), row.id, row.fence, NO_LANE)


class SyncScheduleRepository(BelongingRepository[SyncSchedule]):
    model = SyncSchedule

    async def get_of(self, integration_id: UUID) -> SyncSchedule:
        """Raises ``NotFound``."""
        row = await self.find_of(integration_id)
        if row is None:
            raise NotFound
        return row

    async def find_of(self, integration_id: UUID) -> SyncSchedule | None:
        return (await self.session.scalars(self.of(integration_id))).one_or_none()

    async def lock_of(self, integration_id: UUID) -> SyncSchedule | None:
        """No run ends, and nobody else changes it, until the transaction ends."""
        query = self.of(integration_id).with_for_update(key_share=True)
        return (await self.session.scalars(query)).one_or_none()

    async def lock_claimed(self, claim: Claim) -> SyncSchedule | None:
        """The claim's schedule, if nobody claimed or changed it since."""
        query = self.select().where(SyncSchedule.id == claim.id, SyncSchedule.fence == claim.fence)
        return (await self.session.scalars(query.with_for_update(key_share=True))).one_or_none()

    async def let_go(self, id: UUID, leased_until: datetime | None) -> None:
        """End the lease, unless it is another one by now. No version of the schedule: nothing shows it."""
        await self.session.execute(
            update(SyncSchedule)
            .where(
                SyncSchedule.tenant_id == self.tenant_id,
                SyncSchedule.id == id,
                SyncSchedule.leased_until == leased_until,
            )
            .values(leased_until=None, updated_at=SyncSchedule.updated_at)
        )

    async def may_run(self, row: SyncSchedule) -> bool:
        """Whether tenant and integration are in operation."""
        query = (
            select(Integration.enabled, Tenant.status)
            .join(Tenant, Tenant.id == Integration.tenant_id)
            .where(Integration.tenant_id == self.tenant_id, Integration.id == row.integration_id)
        )
        is_enabled, status = (await self.session.execute(query)).one()
        return is_enabled and status == TenantStatus.ACTIVE

    def moment_in(self, pause: timedelta) -> ColumnElement[datetime | None]:
        """By the clock that the claims go by."""
        return func.clock_timestamp() + pause
