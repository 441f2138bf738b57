from uuid import UUID

from fastapi import Response

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.tools.dependencies import Service, Serving
from app.tools.document import ANSWERS
from app.tools.schemas import McpMessage, ToolRead
from app.web.routing import Router

router = Router(tags=["tools"])

SORTABLE = {"name": "name"}
READ = [requires(Scope.HANDLERS_READ)]


@router.get("/integrations/{integration_id}/tools", dependencies=READ)
async def list_tools(integration_id: UUID, service: Service, paging: Paging) -> list[ToolRead]:
    """The enabled handlers, as an agent needs to know them: by name, with JSON Schema of what they take and
    give."""
    found = await service.page(integration_id, paging.asked(SORTABLE, default="name"))
    paging.answer(found.page)
    return list(found.tools)


@router.post("/mcp", dependencies=READ, responses=ANSWERS)
async def serve_agent(message: McpMessage, serving: Serving) -> Response:
    """All enabled handlers of the tenant as tools of an MCP server (Model Context Protocol)."""
    return await serving.answer(message.given())


@router.post("/integrations/{integration_id}/mcp", dependencies=READ, responses=ANSWERS)
async def serve_agent_of_integration(integration_id: UUID, message: McpMessage, serving: Serving) -> Response:
    """The same for the handlers of one integration, which a token that is bound to it may use."""
    return await serving.answer(message.given(), integration_id)
