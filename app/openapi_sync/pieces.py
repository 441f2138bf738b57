"""The parts of a document that a sync looks at, as shapes that are filled straight from its bytes.

Whatever no shape names (answers, examples, most of every schema: nine tenths of a document) is stepped over
and never becomes an object, so that reading costs little more than finding the ends of things.

A shape says what a part should be. What it is may be anything: a part of another type is left as it was
found, so that readers ask ``isinstance`` of what they take.
"""

import json
import math
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
import orjson
from msgspec import Raw, field
from msgspec.structs import fields, replace

from app.openapi_sync.file_places import FILES

MAX_FITTED = 4096
"""Members of an object or list with one of another type than it should be; of more, none is looked at."""

_BEYOND_64_BITS = 2**63


class Piece(msgspec.Struct, gc=False):
    """Any object that may be a reference instead."""

    ref: Any = field(name="$ref", default=None)


class Property(Piece):
    """What a call needs to know of a schema inside another one."""

    type: Any = None
    default: Any = None
    read_only: Any = field(name="readOnly", default=None)


class Schema(Property):
    properties: dict[str, Property | bool] | None = None
    all_of: "list[Schema | bool] | None" = field(name="allOf", default=None)


class Media(Piece):
    schema: Schema | bool | None = None


class Body(Piece):
    required: Any = None
    content: dict[str, Media] | None = None


class ParameterPiece(Property):
    """``type``, ``default`` and ``collection_format`` are OpenAPI 2.0's."""

    name: Any = None
    location: Any = field(name="in", default=None)
    required: Any = None
    style: Any = None
    explode: Any = None
    collection_format: Any = field(name="collectionFormat", default="csv")
    schema: Schema | bool | None = None
    content: dict[str, Media] | None = None


class OperationPiece(Piece):
    """``consumes`` and ``schemes`` are OpenAPI 2.0's."""

    operation_id: Any = field(name="operationId", default=None)
    summary: Any = None
    tags: Any = None
    parameters: list[ParameterPiece] | None = None
    body: Body | None = field(name="requestBody", default=None)
    security: Any = msgspec.UNSET
    servers: Any = None
    consumes: Any = msgspec.UNSET
    schemes: Any = None
    handler_name: Any = field(name="x-handler-name", default=None)
    is_handler: Any = field(name="x-handler", default=None)


class PathItem(Piece):
    parameters: list[ParameterPiece] | None = None
    servers: Any = None
    is_handler: Any = field(name="x-handler", default=None)
    get: OperationPiece | None = None
    put: OperationPiece | None = None
    post: OperationPiece | None = None
    delete: OperationPiece | None = None
    options: OperationPiece | None = None
    head: OperationPiece | None = None
    patch: OperationPiece | None = None
    query: OperationPiece | None = None
    trace: Raw | None = None
    additional: dict[str, Raw] | None = field(name="additionalOperations", default=None)


class SchemePiece(Piece):
    """A security scheme."""

    type: Any = None
    name: Any = None
    location: Any = field(name="in", default=None)
    scheme: Any = None


class Components(Piece):
    """What references lead to, each part unread until one does."""

    schemas: dict[str, Raw] | None = None
    parameters: dict[str, Raw] | None = None
    bodies: dict[str, Raw] | None = field(name="requestBodies", default=None)
    path_items: dict[str, Raw] | None = field(name="pathItems", default=None)
    security_schemes: dict[str, Raw] | None = field(name="securitySchemes", default=None)


class Description(Piece):
    """A whole document. From ``schemes`` on, the fields are OpenAPI 2.0's; ``files`` is ours."""

    openapi: Any = None
    swagger: Any = None
    paths: dict[str, PathItem] | None = None
    webhooks: dict[str, PathItem] | None = None
    components: Components | None = None
    security: Any = None
    servers: Any = None
    schemes: Any = None
    host: Any = None
    base_path: Any = field(name="basePath", default=None)
    consumes: Any = None
    definitions: dict[str, Raw] | None = None
    parameters: dict[str, Raw] | None = None
    security_definitions: dict[str, Raw] | None = field(name="securityDefinitions", default=None)
    files: dict[str, Raw] | None = field(name=FILES, default=None)


P = TypeVar("P", bound=Piece)


def take_description(text: bytes) -> Description | None:
    """None for what is not JSON, or no object. What no shape names is stepped over, but it has to be JSON.

    Raises ``RecursionError`` for what is nested deeper than the parser goes, which is some hundred levels.
    """
    try:
        return cast(Description, _decoder(Description).decode(text))
    except msgspec.ValidationError:  # something is of another type
        return _by_parts(Description, Raw(text))
    except msgspec.DecodeError:
        return None


def is_json(text: bytes) -> bool:
    """Whether it is JSON, of whatever depth that ``take_description`` goes to."""
    try:
        msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def take(kind: type[P], raw: Raw) -> P | object:
    """The part that stands in ``raw``: a ``kind``, or the value that is there instead."""
    try:
        return cast(P, _decoder(kind).decode(raw))
    except (msgspec.DecodeError, RecursionError):
        return cast(object, _fitted(kind, value_of(raw)))


def children(raw: Raw) -> dict[str, Raw] | list[Raw] | None:
    """What stands directly inside an object or list, unread."""
    for decoder in (_OBJECT, _LIST):
        try:
            return decoder.decode(raw)
        except msgspec.DecodeError:
            pass
    return None


def overlaid(below: P, above: P) -> P:
    """``below`` with all that ``above`` says itself, which is closer."""
    silent = type(above)(ref=above.ref)
    said = ((name, getattr(above, name)) for name in above.__struct_fields__)
    return replace(below, **{name: value for name, value in said if value is not getattr(silent, name)})


@cache
def _decoder(kind: type[Piece]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])


def _by_parts(kind: type[P], raw: Raw) -> P | None:
    """A ``kind`` of which each part is taken by itself, so that most are still taken as they should be."""
    inside = children(raw)
    if not isinstance(inside, dict):
        return None
    stated = ((each, inside[each.encode_name]) for each in _fields(kind) if each.encode_name in inside)
    return kind(**{each.name: _part(each.type, raw) for each, raw in stated})


def _part(hint: Any, raw: Raw) -> Any:
    if hint is Any:
        return value_of(raw)
    kind = get_args(hint)[0]
    if kind is Components:
        return _by_parts(kind, raw)
    inside, of = children(raw), get_args(kind)[1]
    if not isinstance(inside, dict) or of is Raw:
        return inside
    return {key: take(of, one) for key, one in inside.items()}


def value_of(raw: Raw) -> object:
    """All that stands in ``raw``; null for numbers that no double holds, and for what is too deep."""
    try:
        return orjson.loads(memoryview(raw))
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(bytes(raw), parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> int | float | None:
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if text.lstrip("-").isdecimal() and abs(number) < _BEYOND_64_BITS else number


def _fitted(hint: Any, value: object) -> Any:
    """``value`` with the objects in it made the pieces that ``hint`` asks for, where they are objects."""
    for one in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        if isinstance(value, dict) and isinstance(one, type) and issubclass(one, Piece):
            stated = ((each, value[each.encode_name]) for each in _fields(one) if each.encode_name in value)
            return one(**{each.name: _fitted(each.type, item) for each, item in stated})
        if isinstance(value, dict | list) and len(value) > MAX_FITTED:
            return value
        if isinstance(value, dict) and get_origin(one) is dict:
            return {key: _fitted(get_args(one)[1], item) for key, item in value.items()}
        if isinstance(value, list) and get_origin(one) is list:
            return [_fitted(get_args(one)[0], item) for item in value]
    return value


_fields = cache(fields)
