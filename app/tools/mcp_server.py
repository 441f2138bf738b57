"""Handlers as a server of the Model Context Protocol, by its official SDK: streamable HTTP without sessions.

Each request is served by itself, for whoever its token belongs to: nothing is kept between two of them, and
no stream is held open.
"""

import json
import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from uuid import UUID

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.auth.context import Context
from app.auth.scopes import Scope as Permission
from app.core.errors import AppError, NotFound
from app.core.pagination import CursorSigner, Order, PageRequest
from app.executions.manual import Address, ManualExecution
from app.executions.schemas import ExecuteRequest, ExecuteResult
from app.tools.schemas import ToolRead
from app.tools.service import ToolService

PAGE_SIZE = 50
HEADERS = {
    b"content-type": b"application/json",
    b"accept": b"application/json, text/event-stream",
}

logging.getLogger("mcp").setLevel(logging.ERROR)
"""It tells what was wrong with a request, word for word, and an agent's words are not for logs."""


class McpResponse(Response):
    """The answer to one message, which was read, and found to be a JSON object, like any body of the API."""

    def __init__(self, agent: "Agent", message: Mapping[str, object]) -> None:
        super().__init__()
        self._agent = agent
        self._message = json.dumps(message).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = Server(
            "jackfield",
            version=version("jackfield"),
            on_list_tools=self._agent.list_tools,
            on_call_tool=self._agent.call_tool,
        )
        manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(self._as_json(scope), self._again(receive), send)

    def _as_json(self, scope: Scope) -> Scope:
        """The SDK would refuse what it does not read in these headers, in a form of its own."""
        stated = {*HEADERS, b"content-length", b"transfer-encoding"}
        kept = [(name, value) for name, value in scope["headers"] if name not in stated]
        length = str(len(self._message)).encode()
        return {**scope, "headers": [*kept, *HEADERS.items(), (b"content-length", length)]}

    def _again(self, receive: Receive) -> Receive:
        """The body that was read, and then what comes after it."""
        left = [{"type": "http.request", "body": self._message, "more_body": False}]

        async def replay() -> Message:
            return left.pop() if left else await receive()

        return replay


class Agent:
    """What one request of an agent may ask for. ``integration_id``: the one whose handlers are its tools."""

    def __init__(
        self,
        tools: ToolService,
        manual: ManualExecution,
        context: Context,
        cursors: CursorSigner,
        integration_id: UUID | None,
    ) -> None:
        self._tools = tools
        self._manual = manual
        self._context = context
        self._cursors = cursors
        self._integration_id = integration_id
        self._list = f"{context.tenant_id} mcp {integration_id}"

    async def list_tools(self, _: object, params: PaginatedRequestParams | None) -> ListToolsResult:
        cursor = params.cursor if params else None
        try:
            after = self._cursors.decode(cursor, self._list) if cursor else None
            request = PageRequest(PAGE_SIZE, Order("name"), after)
            found = await self._tools.page(self._integration_id, request)
        except AppError as error:
            raise MCPError(INVALID_PARAMS, error.detail) from None
        last = found.page.last
        return ListToolsResult(
            tools=[_shown(tool) for tool in found.tools],
            next_cursor=self._cursors.encode(last, self._list) if last else None,
        )

    async def call_tool(self, _: object, params: CallToolRequestParams) -> CallToolResult:
        """What went wrong is told as a result, which the model reads; only an unknown name is an error."""
        try:
            self._context.require(Permission.HANDLERS_EXECUTE)
            address = Address(name=params.name, integration_id=self._integration_id)
            result = await self._manual.run(address, ExecuteRequest(body=params.arguments or {}))
        except NotFound:
            raise MCPError(INVALID_PARAMS, f"There is no tool {params.name!r}.") from None
        except AppError as error:
            faults = (f"{fault.pointer}: {fault.message}" for fault in error.errors)
            return _answer("\n".join([f"{error.code}: {error.detail}", *faults]), is_error=True)
        return _called(result)


def _shown(tool: ToolRead) -> Tool:
    return Tool(name=tool.name, description=tool.description, input_schema=tool.input_schema)


def _called(result: ExecuteResult) -> CallToolResult:
    text = result.body if isinstance(result.body, str) else json.dumps(result.body, ensure_ascii=False)
    told = result.model_dump(mode="json", by_alias=True, include={"status_code", "body", "execution_id"})
    return _answer(text, is_error=not 200 <= result.status_code < 300, told=told)  # noqa: PLR2004 -- RFC 9110


def _answer(text: str, *, is_error: bool, told: dict[str, Any] | None = None) -> CallToolResult:
    content = [TextContent(type="text", text=text)]
    return CallToolResult(content=content, structured_content=told, is_error=is_error)
