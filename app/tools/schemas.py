from typing import Any
from uuid import UUID

from pydantic import Field

from app.web.schemas import Shown


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
