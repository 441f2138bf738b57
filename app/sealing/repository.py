from sqlalchemy import select

from app.db.repository import TenantRepository
from app.models import KeyState, TenantKey


class TenantKeyRepository(TenantRepository[TenantKey]):
    model = TenantKey

    async def find_active(self) -> TenantKey | None:
        query = (
            self.select()
            .where(TenantKey.state == KeyState.ACTIVE)
            .order_by(TenantKey.generation.desc())
            .limit(1)
        )
        return (await self.session.scalars(query)).one_or_none()

    async def last_generation(self) -> int:
        query = (
            select(TenantKey.generation)
            .where(TenantKey.tenant_id == self.tenant_id)
            .order_by(TenantKey.generation.desc())
            .limit(1)
        )
        return (await self.session.scalar(query)) or 0
