"""The webhook addresses in ``openapi.json``: answered outside FastAPI, so described here."""

from app.models import HandlerMode

_RESPONSES: dict[str, object] = {
    "202": {
        "description": "Committed to disk; the upstream is called afterwards.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["executionId", "status"],
                    "properties": {
                        "executionId": {"type": "string", "format": "uuid"},
                        "status": {"type": "string", "const": "queued"},
                    },
                }
            }
        },
    },
    "default": {
        "description": f"In mode `{HandlerMode.SYNC}`, the upstream's own answer; else a problem document.",
        "content": {"application/problem+json": {"schema": {"type": "object"}}},
    },
}
_HANDLER: dict[str, object] = {
    "name": "handler",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,99}$"},
}
_TENANT: dict[str, object] = {
    "name": "tenantSlug",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
}
_PREFER: dict[str, object] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=SECONDS` waits for the upstream, `respond-async` does not (RFC 7240).",
    "schema": {"type": "string"},
}


def paths() -> dict[str, object]:
    """Path items by path."""
    return {
        "/webhook/{tenantSlug}/{handler}": _item("callWebhook", [_TENANT, _HANDLER]),
        "/webhook/{handler}": _item("callWebhookByTokenOrHost", [_HANDLER]),
    }


def _item(operation_id: str, parameters: list[dict[str, object]]) -> dict[str, object]:
    return {
        "parameters": parameters,
        "post": {
            "operationId": operation_id,
            "tags": ["webhooks"],
            "summary": "Call a handler",
            "description": "Verified as the handler's `verification` says, over the raw bytes of the body. "
            "Handlers that declare other methods take these, too.",
            "parameters": [_PREFER],
            "requestBody": {"content": {"*/*": {"schema": {}}}},
            "responses": _RESPONSES,
            "security": [{}, {"accessToken": []}],
        },
    }
