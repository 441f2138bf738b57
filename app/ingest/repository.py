from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.repository import TenantRepository
from app.models import Handler, Integration, RejectedRequest, Secret, Tenant, TenantStatus

PREVIOUS_SUFFIX = "_PREVIOUS"
"""``WEBHOOK_SECRET_PREVIOUS`` stays valid beside ``WEBHOOK_SECRET`` while a secret is rotated."""


async def find_active_tenant(session: AsyncSession, slug: str) -> Tenant | None:
    query = select(Tenant).where(Tenant.slug == slug, Tenant.status == TenantStatus.ACTIVE)
    return (await session.scalars(query)).one_or_none()


class RouteRepository(TenantRepository[Handler]):
    model = Handler

    async def find_enabled(self, name: str) -> tuple[Handler, Integration] | None:
        query = (
            select(Handler, Integration)
            .join(
                Integration,
                (Integration.tenant_id == Handler.tenant_id) & (Integration.id == Handler.integration_id),
            )
            .where(
                Handler.tenant_id == self.tenant_id,
                Handler.name == name,
                Handler.enabled,
                Integration.enabled,
            )
        )
        row = (await self.session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def secrets(self, integration_id: UUID, keys: Collection[str]) -> Sequence[Secret]:
        query = select(Secret).where(
            Secret.tenant_id == self.tenant_id,
            Secret.integration_id == integration_id,
            Secret.key.in_(keys),
        )
        return (await self.session.scalars(query)).all()


class RejectionRepository(TenantRepository[RejectedRequest]):
    model = RejectedRequest

    def of_handler(self, handler_id: UUID) -> Select[RejectedRequest]:
        return self.select().where(RejectedRequest.handler_id == handler_id)
