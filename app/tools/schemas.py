from typing import Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue, StrictInt, StrictStr

from app.web.schemas import Given, Shown


class McpMessage(Given):
    """A request or notification of the Model Context Protocol, which is one of JSON-RPC 2.0."""

    jsonrpc: Literal["2.0"]
    id: StrictInt | StrictStr | None = None
    method: str
    params: dict[str, JsonValue] | None = None


class ToolRead(Shown):
    """A handler as an agent sees it."""

    name: str = Field(description="The handler's, under which it is called.")
    description: str | None
    integration_id: UUID
    handler_id: UUID
    input_schema: dict[str, Any] = Field(description="JSON Schema of the arguments, 2020-12.")
    output_schema: dict[str, Any] | None = Field(
        description="JSON Schema of what the upstream answers, where its document says so."
    )
