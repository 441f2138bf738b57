"""Our OpenAPI document: what FastAPI writes, with names people can read and the errors that are answered.

FastAPI describes a 422 of its own, which we never send, and no other error. Which errors an operation can
answer with follows from what it takes, so they are added here and no router repeats them. Pure.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from app.web.problem import PROBLEM_JSON

Node = dict[str, Any]

METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})

_FAULT: Final[Node] = {
    "type": "object",
    "required": ["pointer", "message"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "RFC 6901, into the body; `/query/…` is a parameter.",
        },
        "message": {"type": "string"},
    },
}
PROBLEM: Final[Node] = {
    "title": "Problem",
    "description": "RFC 9457. Match on `code`; what it means is at `type`.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "requestId", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "requestId": {"type": "string"},
        "errors": {"type": "array", "items": _FAULT},
    },
}
ERRORS: Final = {
    "400": "Not JSON.",
    "401": "No token, or one that is not valid.",
    "403": "The token does not grant this.",
    "404": "There is no such resource, or it is another tenant's.",
    "409": "It contradicts the current state.",
    "412": "`If-Match` does not name the current version.",
    "413": "The body is too large.",
    "415": "The body is of another media type.",
    "422": "A field or parameter is not valid.",
    "default": "Any other failure.",
}
"""Status to description. Each stands once among the document's components."""


def operation_id(route: APIRoute) -> str:
    """``list_integrations`` is ``listIntegrations``."""
    return to_camel(route.name)


def complete(document: Node) -> Node:
    """A copy of FastAPI's document that says what is true of every operation."""
    components = document["components"]
    schemas = {
        name: schema
        for name, schema in components["schemas"].items()
        if name not in {"HTTPValidationError", "ValidationError"}
    }
    return {
        **document,
        "paths": {path: _path_item(path, item) for path, item in document["paths"].items()},
        "components": {
            **components,
            "schemas": {**schemas, "Problem": PROBLEM},
            "responses": {_component(status): _problem(text) for status, text in ERRORS.items()},
        },
    }


def _path_item(path: str, item: Node) -> Node:
    """A resource whose changes can be conditional is one that carries an ``ETag``."""
    is_versioned = any("if-match" in _parameters(operation) for operation in _operations(item).values())
    shared = {parameter["name"] for parameter in item.get("parameters", ())}
    return item | {
        method: _operation(method, path, operation, shared, is_versioned=is_versioned)
        for method, operation in _operations(item).items()
    }


def _operations(item: Node) -> Node:
    return {method: operation for method, operation in item.items() if method in METHODS}


def _operation(method: str, path: str, operation: Node, shared: set[str], *, is_versioned: bool) -> Node:
    own = {status: response for status, response in operation["responses"].items() if status != "422"}
    own = {
        status: _with_headers(status, response, operation, is_versioned=is_versioned)
        for status, response in own.items()
    }
    errors = {
        status: {"$ref": f"#/components/responses/{_component(status)}"}
        for status in _errors(method, path, operation, shared)
    }
    return operation | {"summary": _sentence(operation), "responses": dict(sorted({**errors, **own}.items()))}


def _errors(method: str, path: str, operation: Node, shared: set[str]) -> Iterator[str]:
    parameters = _parameters(operation) | shared
    body = operation.get("requestBody", {"content": {}})["content"]
    security = operation.get("security", [])
    if body:
        yield "413"
    if body and "*/*" not in body:
        yield from ("400", "415")
    if security:
        yield from ("401", "403")
    if "{" in path:
        yield "404"
    if method != "get" and all(security):  # an empty alternative: anybody may call a webhook
        yield "409"
    if "if-match" in parameters:
        yield "412"
    if parameters or body:
        yield "422"
    yield "default"


def _with_headers(status: str, response: Node, operation: Node, *, is_versioned: bool) -> Node:
    headers: Node = {}
    if status == "201":
        headers["Location"] = _header("Where it is.")
    if "cursor" in _parameters(operation):
        headers["Link"] = _header('`<…>; rel="next"`: the next page, if there is one (RFC 8288).')
    if is_versioned and status == "200":
        headers["ETag"] = _header("The version, for `If-Match` and `If-None-Match`.")
    return {**response, "headers": headers} if headers else response


def _parameters(operation: Node) -> set[str]:
    return {parameter["name"].lower() for parameter in operation.get("parameters", ())}


def _sentence(operation: Node) -> str:
    """FastAPI's "List Integrations" as we write: "List integrations"."""
    summary: str = operation["summary"]
    return summary.capitalize() if summary.istitle() else summary


def _component(status: str) -> str:
    return f"Problem{status.capitalize()}"


def _problem(description: str) -> Node:
    return {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _header(description: str) -> Node:
    return {"description": description, "schema": {"type": "string"}}
