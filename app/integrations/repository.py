from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, exists, select

from app.core.errors import NotFound
from app.db.repository import TenantRepository
from app.integrations.errors import IntegrationNameTaken
from app.models import Handler, Integration, OfIntegration

B = TypeVar("B", bound=OfIntegration)


class IntegrationRepository(TenantRepository[Integration]):
    model = Integration
    conflicts = {"integrations_tenant_id_folded_name_key": IntegrationNameTaken}

    def matching(self, search: str | None) -> Select[Integration]:
        """Those whose name contains ``search``, without regard to case; ``%`` and ``_`` mean themselves."""
        query = self.select()
        if search:
            query = query.where(Integration.folded_name.contains(search.casefold(), autoescape=True))
        return query

    async def has_tools(self, id: UUID) -> bool:
        """Whether a handler under it is enabled."""
        mine = Handler.tenant_id == self.tenant_id, Handler.integration_id == id, Handler.enabled
        return bool(await self.session.scalar(select(exists().where(*mine))))


class BelongingRepository(TenantRepository[B]):
    """Rows under integrations. The id of another integration's row is as unknown as another tenant's."""

    def of(self, integration_id: UUID) -> Select[B]:
        return self.select().where(self.model.integration_id == integration_id)

    async def get_in(self, integration_id: UUID, id: UUID) -> B:
        """Raises ``NotFound``."""
        query = self.of(integration_id).where(self.model.id == id)
        row = (await self.session.scalars(query)).one_or_none()
        if row is None:
            raise NotFound
        return row

    async def list_of(self, integration_id: UUID) -> Sequence[B]:
        """Every row under the integration, for who runs its handlers."""
        return (await self.session.scalars(self.of(integration_id))).all()
