"""What a schema accepts, as far as a sender notices: types, values, properties, and which are required.

Read where it is asked for, a level at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from msgspec import field as renamed

from app.openapi_sync.oddities import Notes
from app.openapi_sync.pieces import Piece
from app.openapi_sync.references import References

MAX_MEMBERS = 32
"""Of nested ``allOf`` lists."""
MAX_TYPES = 16
MAX_VALUES = 2_000
"""Of an ``enum``; one with more says nothing, since telling two of them apart takes the square of that."""


class Shape(Piece):
    """A schema, or a parameter of OpenAPI 2.0, which is one itself."""

    type: Any = None
    enum: Any = None
    nullable: Any = None
    read_only: Any = renamed(name="readOnly", default=None)
    required: Any = None
    properties: "dict[str, Shape | bool] | None" = None
    items: "Shape | bool | None" = None
    all_of: "list[Shape | bool] | None" = renamed(name="allOf", default=None)


class ShapedMedia(Piece):
    schema: Shape | bool | None = None


class ShapedParameter(Shape):
    name: Any = None
    location: Any = renamed(name="in", default=None)
    schema: Shape | bool | None = None
    content: dict[str, ShapedMedia] | None = None


class ShapedBody(Piece):
    content: dict[str, ShapedMedia] | None = None


class ShapedOperation(Piece):
    parameters: list[ShapedParameter] | None = None
    body: ShapedBody | None = renamed(name="requestBody", default=None)


class ShapedPathItem(Piece):
    parameters: list[ShapedParameter] | None = None


class Presence(Enum):
    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(slots=True)
class Accepted:
    """``types`` and ``values`` are None where anything goes; integers are numbers as well."""

    types: frozenset[str] | None = None
    values: tuple[object, ...] | None = None
    required: set[str] = field(default_factory=set)
    properties: dict[str, object] = field(default_factory=dict)
    items: object = None

    def presence(self, name: str, schema: object) -> Presence:
        """Of a property, whose schema is None where there is none."""
        if schema is None:
            return Presence.NONE
        return Presence.REQUIRED if name in self.required else Presence.OPTIONAL


def accepted(shape: object, references: References) -> Accepted:
    """What a schema says by itself and by what it is composed of by ``allOf``."""
    found = Accepted()
    for one in _members(shape, references):
        if (types := _types(one)) is not None:
            found.types = types if found.types is None else found.types & types
        if isinstance(one.enum, list) and len(one.enum) <= MAX_VALUES:
            found.values = tuple(one.enum)
        if isinstance(one.required, list):
            found.required |= {name for name in one.required if isinstance(name, str)}
        if isinstance(one.properties, dict):
            found.properties |= one.properties
        found.items = one.items if one.items is not None else found.items
    return found


def is_read_only(shape: object, references: References) -> bool:
    return any(one.read_only is True for one in _members(shape, references))


def _members(shape: object, references: References) -> Iterator[Shape]:
    followed: set[str] = set()
    waiting, seen = [shape], 0
    while waiting and seen < MAX_MEMBERS:
        seen += 1
        one = waiting.pop()
        if not isinstance(one, Shape):
            continue
        if isinstance(one.ref, str):
            if one.ref in followed:
                continue
            followed.add(one.ref)
        found = references.follow(one, Shape, (), Notes())
        if found is not None:
            yield found
            if isinstance(found.all_of, list):
                waiting += found.all_of[-MAX_MEMBERS:]


def _types(shape: Shape) -> frozenset[str] | None:
    stated = shape.type[:MAX_TYPES] if isinstance(shape.type, list) else [shape.type]
    types = {one for one in stated if isinstance(one, str)}
    if shape.nullable is True and types:
        types.add("null")
    return frozenset(types) or None
