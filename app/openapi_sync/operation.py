"""One operation of a document, as far as a call needs it.

Structs instead of dataclasses: a frozen one is made ten times as fast, and a document makes thousands.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct, field

from app.openapi_sync.oddities import Oddity, Place


class OperationKind(StrEnum):
    CALL = "operation"
    """A request that can be sent: an entry of ``paths``."""
    STORE = "store"
    """A request that will be received: an entry of ``webhooks``."""


class Parameter(Struct, frozen=True, gc=False):
    """One parameter; 2.0's collection formats are given in 3.x's terms."""

    name: str
    location: str
    """path, query, header, cookie or querystring."""
    required: bool
    style: str
    explode: bool
    schema_default: object = None
    content_type: str | None = None
    """What a value is written as, instead of in a style."""

    def lean(self) -> dict[str, object]:
        lean: dict[str, object] = {
            "name": self.name,
            "in": self.location,
            "required": self.required,
            "style": self.style,
            "explode": self.explode,
        }
        return lean if self.content_type is None else lean | {"contentType": self.content_type}


class RequestBody(Struct, frozen=True, gc=False):
    content_types: tuple[str, ...]
    """In the document's order."""
    required: bool
    properties: frozenset[str] = frozenset()
    """Names of the top-level properties, where the body is an object that lists them."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Schema defaults of those properties."""

    def lean(self) -> dict[str, object]:
        return {"contentTypes": list(self.content_types), "required": self.required}


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """``key`` is its name in the document; ``location`` and ``name`` place an API key; ``http_scheme`` is
    "basic", "bearer", … (RFC 9110, section 11.1)."""

    key: str
    type: str
    location: str | None = None
    name: str | None = None
    http_scheme: str | None = None

    def lean(self) -> dict[str, object]:
        lean: dict[str, object] = {"scheme": self.key, "type": self.type}
        optional = {"in": self.location, "name": self.name, "httpScheme": self.http_scheme}
        return lean | {key: value for key, value in optional.items() if value is not None}


class Operation(Struct, frozen=True, gc=False):
    kind: OperationKind
    method: str
    """In capitals."""
    path: str
    """The template, "/pets/{petId}"; of a webhook "webhooks/NAME", which no path can be."""
    place: Place
    operation_id: str | None = None
    summary: str | None = None
    tags: tuple[str, ...] = ()
    handler_name: str | None = None
    """``x-handler-name``."""
    parameters: tuple[Parameter, ...] = ()
    body: RequestBody | None = None
    security: tuple[tuple[SecurityScheme, ...], ...] = ()
    """Alternatives, each of them what is needed together; an empty one allows an anonymous call."""
    servers: tuple[str, ...] = ()
    """URLs with their variables filled in, the one to use first; relative ones as they stand."""
    default_args: Mapping[str, object] = field(default_factory=dict)
    is_degraded: bool = False
    """Something that the operation refers to was not found."""
    warnings: tuple[Oddity, ...] = ()

    @property
    def argument_names(self) -> frozenset[str]:
        names = frozenset(parameter.name for parameter in self.parameters)
        return names | self.body.properties if self.body else names

    @property
    def size(self) -> int:
        """How many things it consists of; a hundred characters of defaults count as one."""
        size = 1 + len(self.parameters) + len(self.tags) + len(self.warnings) + sum(map(len, self.security))
        size += len(self.body.properties) if self.body else 0
        return size + (len(json.dumps(self.default_args)) // 100 if self.default_args else 0)

    def target(self) -> dict[str, object]:
        """The handler's ``target``, lean: embedding schemas would turn 20 MB of document into 263 MB of rows.

        Parameters are sorted, so that a document in another order is no change.
        """
        if self.kind is OperationKind.STORE:
            return {"kind": "store"}
        parameters = sorted(self.parameters, key=lambda parameter: (parameter.location, parameter.name))
        return {
            "kind": "operation",
            "method": self.method,
            "path": self.path,
            "parameters": [parameter.lean() for parameter in parameters],
            "body": self.body.lean() if self.body else None,
            "security": [[scheme.lean() for scheme in alternative] for alternative in self.security],
            "server": self.servers[0] if self.servers else None,
            "operationId": self.operation_id,
            "summary": self.summary,
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """An operation of which no handler is made. ``method`` is "*" when it is true of the whole path."""

    method: str
    path: str
    reason: str
    is_deliberate: bool = False
    """Left out by rule, not because it could not be read: its handler, if there was one, is missing now."""

    @property
    def size(self) -> int:
        return 1
