from uuid import UUID

from sqlalchemy import Select

from app.core.errors import NotFound
from app.db.repository import TenantRepository
from app.models import AccessToken, Integration


class AccessTokenRepository(TenantRepository[AccessToken]):
    model = AccessToken

    def valid(self) -> Select[AccessToken]:
        return self.select().where(AccessToken.revoked_at.is_(None))

    async def get_valid(self, id: UUID) -> AccessToken:
        """Raises ``NotFound``, also for a revoked one."""
        row = (await self.session.scalars(self.valid().where(AccessToken.id == id))).one_or_none()
        if row is None:
            raise NotFound
        return row

    async def has_integration(self, id: UUID) -> bool:
        return await self.session.get(Integration, (self.tenant_id, id)) is not None
