from collections.abc import Sequence

from sqlalchemy import func, select

from app.connectors.errors import ConnectorChangedMeanwhile
from app.db.repository import TenantRepository
from app.models import TenantConnector


class TenantConnectorRepository(TenantRepository[TenantConnector]):
    model = TenantConnector
    conflicts = {"tenant_connectors_tenant_id_slug_key": ConnectorChangedMeanwhile}

    async def all(self) -> Sequence[TenantConnector]:
        """There are few: see ``MOST_OF_A_TENANT``."""
        return (await self.session.scalars(self.select())).all()

    async def find_by_slug(self, slug: str) -> TenantConnector | None:
        return (await self.session.scalars(self.select().where(TenantConnector.slug == slug))).one_or_none()

    async def count(self) -> int:
        query = select(func.count()).where(TenantConnector.tenant_id == self.tenant_id)
        return await self.session.scalar(query) or 0
