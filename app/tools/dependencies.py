import asyncio
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from app.auth.dependencies import CurrentContext, Transactions
from app.executions.manual_router import Manual
from app.tools.service import ToolService


def get_service(request: Request, database: Transactions, context: CurrentContext) -> ToolService:
    return ToolService(database, request.app.state.library, context)


Service = Annotated[ToolService, Depends(get_service)]


class AgentServing:
    """Answers the messages of agents."""

    def __init__(self, request: Request, service: Service, manual: Manual, context: CurrentContext) -> None:
        self._cursors = request.app.state.cursors
        self._service = service
        self._manual = manual
        self._context = context

    async def answer(self, message: Mapping[str, object], integration_id: UUID | None = None) -> Response:
        """The SDK is imported when the first agent comes: it takes a third of a second, and 19 MB.

        Raises ``NotFound`` for an integration that is not there.
        """
        if integration_id is not None:
            await self._service.check(integration_id)
        sdk = await asyncio.to_thread(_sdk)
        agent = sdk.Agent(self._service, self._manual, self._context, self._cursors, integration_id)
        response: Response = sdk.McpResponse(agent, message)
        return response


def _sdk() -> ModuleType:
    from app.tools import mcp_server

    return mcp_server


Serving = Annotated[AgentServing, Depends()]
