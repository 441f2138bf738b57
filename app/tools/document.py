"""How the addresses of the MCP server stand in ``openapi.json``: what is said there is another protocol's."""

from typing import Any

_MESSAGE = {"application/json": {"schema": {"type": "object"}}}
_ERROR = {
    "description": "A problem document; or, of what the protocol refuses itself, an error of JSON-RPC.",
    "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        **_MESSAGE,
    },
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The answer.", "content": _MESSAGE},
    202: {"description": "The message asks for no answer."},
    400: _ERROR,
    "default": _ERROR,
}
