from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select

from app.core.errors import NotFound
from app.handlers.errors import HandlerNameTaken
from app.integrations.repository import BelongingRepository
from app.models import Handler, Integration


@dataclass(frozen=True, slots=True)
class HandlerFilter:
    integration_id: UUID | None = None
    search: str | None = None
    """A part of the name."""
    enabled: bool | None = None
    is_callable: bool = False
    """Only those that can be called: they are enabled, and so is their integration."""


class HandlerRepository(BelongingRepository[Handler]):
    model = Handler
    conflicts = {
        "handlers_tenant_id_name_key": HandlerNameTaken,
        "handlers_tenant_id_integration_id_fkey": NotFound,
    }

    def matching(self, wanted: HandlerFilter) -> Select[Handler]:
        query = self.select()
        if wanted.integration_id is not None:
            query = query.where(Handler.integration_id == wanted.integration_id)
        if wanted.search:
            # Names are lower case: `HandlerName` allows nothing else.
            query = query.where(Handler.name.contains(wanted.search.lower(), autoescape=True))
        if wanted.enabled is not None:
            query = query.where(Handler.enabled == wanted.enabled)
        if wanted.is_callable:
            query = query.join(Integration).where(Handler.enabled, Integration.enabled)
        return query

    async def get_by_name(self, name: str) -> Handler:
        """Raises ``NotFound``."""
        row = (await self.session.scalars(self.select().where(Handler.name == name))).one_or_none()
        if row is None:
            raise NotFound
        return row
