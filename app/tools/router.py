from uuid import UUID

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.tools.dependencies import Service
from app.tools.schemas import ToolRead
from app.web.routing import Router

router = Router(prefix="/integrations/{integration_id}/tools", tags=["tools"])

SORTABLE = {"name": "name"}


@router.get("", dependencies=[requires(Scope.HANDLERS_READ)])
async def list_tools(integration_id: UUID, service: Service, paging: Paging) -> list[ToolRead]:
    """The enabled handlers, as an agent needs to know them: by name, with JSON Schema of what they take and
    give."""
    found = await service.page(integration_id, paging.asked(SORTABLE, default="name"))
    paging.answer(found.page)
    return list(found.tools)
