import asyncio
from importlib import import_module
from uuid import UUID

from fastapi import Request, Response

from app.auth.dependencies import CurrentContext, requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.executions.manual_router import Manual
from app.tools.dependencies import Service
from app.tools.schemas import ToolRead
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


# Not in the OpenAPI document: what is said there is the Model Context Protocol's.
@router.post("/mcp", dependencies=READ, include_in_schema=False)
async def serve_agent(
    request: Request, service: Service, manual: Manual, context: CurrentContext
) -> Response:
    """All enabled handlers of the tenant as tools of an MCP server."""
    return await _served(request, service, manual, context)


@router.post("/integrations/{integration_id}/mcp", dependencies=READ, include_in_schema=False)
async def serve_agent_of_integration(
    integration_id: UUID, request: Request, service: Service, manual: Manual, context: CurrentContext
) -> Response:
    """The same for the handlers of one integration, which a token that is bound to it may use."""
    return await _served(request, service, manual, context, integration_id)


async def _served(
    request: Request,
    service: Service,
    manual: Manual,
    context: CurrentContext,
    integration_id: UUID | None = None,
) -> Response:
    """The SDK is imported when the first agent comes: it takes a third of a second, and 19 MB."""
    if integration_id is not None:
        await service.check(integration_id)
    sdk = await asyncio.to_thread(import_module, "app.tools.mcp_server")
    agent = sdk.Agent(service, manual, context, request.app.state.cursors, integration_id)
    response: Response = sdk.McpResponse(agent, body_limit=request.app.state.settings.body_limit)
    return response
