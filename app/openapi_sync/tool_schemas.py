"""What an operation takes and gives, as JSON Schema 2020-12 that stands alone: for agents and for forms.

Schemas are taken from the document for one operation at a time, with what they refer to in ``$defs``.
OpenAPI's older dialects are translated, and what has no meaning outside of them is left out.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.egress.headers import CONNECTION_HEADERS
from app.handlers.targets import is_json
from app.openapi_sync.document import Document
from app.openapi_sync.operation import Operation
from app.openapi_sync.references import Dangling, References

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LOCATIONS = ("path", "query", "header", "cookie")
MAX_DEFINITIONS = 200
MAX_DEPTH = 32
MAX_MEMBERS = 64
"""Of ``allOf`` lists that a body's properties are gathered from."""
LONGEST_DESCRIPTION = 4096
LARGEST = 128 * 1024
"""Bytes of a schema with its definitions. Of a larger one only the names at its top are told."""

Schema = dict[str, Any]

_LEFT_OUT = frozenset(
    (
        "discriminator",
        "xml",
        "externalDocs",
        "example",
        "nullable",
        "readOnly",
        "writeOnly",
        "collectionFormat",
    )
)
_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTS_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE_SCHEMAS = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
)
_PLAIN = frozenset(
    ("type", "properties", "required", "allOf", "additionalProperties", "title", "description", "nullable")
)
"""Keywords of an object whose properties can be given beside the parameters."""
_SAID_TO_PEOPLE = frozenset({"example", "examples", "externalDocs", "deprecated", "xml"})
_OF_PARAMETERS = frozenset({"name", "in", "required", "allowEmptyValue"})
_OURS = CONNECTION_HEADERS | {"idempotency-key"}
"""Headers that a call sets itself."""
_NAME = re.compile(r"[^\w.-]+")
FILE: Schema = {
    "type": "object",
    "properties": {
        "base64": {"type": "string", "contentEncoding": "base64"},
        "filename": {"type": "string"},
        "contentType": {"type": "string"},
    },
    "required": ["base64"],
    "additionalProperties": False,
}


Described = tuple[str, str, bool, Schema]
"""A parameter: location, name, whether it is required, and its schema."""


@dataclass(slots=True)
class _Fields:
    """Properties of a body, and which of them it needs."""

    schemas: dict[str, Schema] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)


class ToolSchemas:
    """Reads the schemas of one document's operations."""

    def __init__(self, document: Document) -> None:
        self._is_swagger2 = document.is_swagger2
        self._references = References(document.text, {})

    def input(self, operation: Operation, given: Container[str] = ()) -> Schema:
        """The arguments of a call: flat where their names tell where they go, else sorted by place. What is
        ``given``, by a handler's defaults, may be left out."""
        translation = _Translation(self._references, hidden="readOnly")
        parameters = list(self._parameters(operation, translation))
        body, is_required = self._body(operation), operation.body is not None and operation.body.required
        flat = _Fields() if body is None else self._fields(body, translation)
        names = [name for _, name, _, _ in parameters]
        if flat is not None and len({*names, *flat.schemas}) == len(names) + len(flat.schemas):
            required = flat.required if is_required else []
            return _whole(_flat(parameters, flat.schemas, required, given), translation)
        places = _places(parameters, given)
        required = [location for location, place in places.items() if place["required"]]
        if body is not None:
            places["body"] = translation.schema(body)
            required += ["body"] if is_required and "body" not in given else []
        schema = {"type": "object", "properties": places, "required": required}
        return _whole({**schema, "additionalProperties": False}, translation)

    def description(self, operation: Operation) -> str | None:
        """What the document says of it at length."""
        text = self._mapping(operation.place).get("description")
        return text.strip()[:LONGEST_DESCRIPTION] or None if isinstance(text, str) else None

    def output(self, operation: Operation) -> Schema | None:
        """What a successful call answers, where the document says so in JSON."""
        translation = _Translation(self._references, hidden="writeOnly")
        responses = self._mapping((*operation.place, "responses"))
        for status in sorted(responses):
            if status.startswith("2") or status == "default":
                response = self._resolved(responses[status])
                stated = response.get("schema") if self._is_swagger2 else _json_of(response.get("content"))
                if isinstance(stated, dict):
                    return _whole(translation.schema(stated), translation)
        return None

    def _parameters(self, operation: Operation, translation: "_Translation") -> Iterator[Described]:
        stated = {(one.get("in"), one.get("name")): one for one in self._listed(operation)}
        for parameter in operation.parameters:
            if parameter.location == "header" and parameter.name.lower() in _OURS:
                continue
            found = stated.get((parameter.location, parameter.name), {})
            if self._is_swagger2:
                schema = translation.schema(_of_parameter(found))
            else:
                schema = translation.schema(found.get("schema") or _first_of(found.get("content")))
            if isinstance(text := found.get("description"), str) and "$ref" not in schema:
                schema = {"description": text, **schema}
            yield parameter.location, parameter.name, parameter.required, schema

    def _body(self, operation: Operation) -> Schema | None:
        """As the media type that a call sends takes it."""
        if operation.body is None:
            return None
        if self._is_swagger2:
            return self._body_of_2_0(operation)
        body = self._resolved(self._mapping(operation.place).get("requestBody"))
        content = body.get("content")
        stated = _json_of(content) or _first_of(content)
        return stated if isinstance(stated, dict) else {}

    def _body_of_2_0(self, operation: Operation) -> Schema:
        fields: Schema = {}
        required: list[str] = []
        for found in self._listed(operation):
            if found.get("in") == "body":
                stated = found.get("schema")
                return stated if isinstance(stated, dict) else {}
            if found.get("in") == "formData":
                fields[found["name"]] = _of_parameter(found)
                required += [found["name"]] if found.get("required") is True else []
        return {"type": "object", "properties": fields, "required": required}

    def _listed(self, operation: Operation) -> Iterator[dict[str, Any]]:
        """What the path and the operation list as parameters."""
        for place in (operation.place[:-1], operation.place):
            listed = self._mapping(place).get("parameters")
            for one in listed if isinstance(listed, list) else ():
                found = self._resolved(one)
                if isinstance(found.get("in"), str) and isinstance(found.get("name"), str):
                    yield found

    def _fields(self, body: Schema, translation: "_Translation") -> "_Fields | None":
        """The properties of an object that is nothing but them; None of any other schema."""
        found, required = _Fields(), dict[str, None]()
        waiting: list[object] = [body]
        for _ in range(MAX_MEMBERS):
            if not waiting:
                break
            one = self._resolved(waiting.pop())
            said = {key for key in one if key not in _SAID_TO_PEOPLE and not key.startswith("x-")}
            is_plain = said <= _PLAIN and isinstance(one.get("additionalProperties", False), bool)
            if not is_plain or one.get("type", "object") != "object":
                return None
            if isinstance(properties := one.get("properties"), dict):
                found.schemas |= translation.properties(properties)
            required |= dict.fromkeys(_texts(one.get("required")))
            waiting += reversed(members) if isinstance(members := one.get("allOf"), list) else []
        found.required = [name for name in required if name in found.schemas]
        return None if waiting else found

    def _mapping(self, place: tuple[object, ...]) -> Mapping[str, Any]:
        try:
            found = self._references.value_at(place)
        except Dangling:
            return {}
        return found if isinstance(found, dict) else {}

    def _resolved(self, node: object) -> dict[str, Any]:
        try:
            found = self._references.value(node)
        except Dangling:
            return {}
        return found if isinstance(found, dict) else {}


class _Translation:
    """Of schemas into ones of today, collecting what they refer to."""

    def __init__(self, references: References, *, hidden: str) -> None:
        self._references = references
        self._hidden = hidden
        self._names: dict[str, str] = {}

    def schema(self, stated: object, depth: int = 0) -> Any:
        """Anything goes where the document says nothing that can be used, or too much."""
        if isinstance(stated, bool):
            return stated
        if not isinstance(stated, dict) or depth > MAX_DEPTH:
            return {}
        if isinstance(reference := stated.get("$ref"), str):
            return self._referred(reference, stated)
        if stated.get("format") == "binary" and stated.get("type") == "string":
            return FILE
        said = ((key, value) for key, value in stated.items() if not _is_left_out(key))
        made = {key: self._keyword(key, value, depth) for key, value in said}
        if "required" in made:
            names = dict.fromkeys(_texts(made["required"]))
            made["required"] = [name for name in names if not self._is_hidden(stated, name)]
        return _of_today(made, stated)

    def definitions(self) -> dict[str, Schema | bool]:
        """What was referred to, and what that refers to: looked through one after the other, not inside each
        other."""
        made: dict[str, Schema | bool] = {}
        while len(made) < len(self._names):
            for reference, name in list(self._names.items())[len(made) :]:
                try:
                    made[name] = self.schema(self._references.value({"$ref": reference}))
                except Dangling:
                    made[name] = {}
        return made

    def properties(self, stated: Mapping[str, object], depth: int = 0) -> dict[str, Schema]:
        return {
            name: self.schema(one, depth + 1)
            for name, one in stated.items()
            if not (isinstance(one, dict) and one.get(self._hidden) is True)
        }

    def _keyword(self, key: str, value: object, depth: int) -> object:
        if key == "properties" and isinstance(value, dict):
            return self.properties(value, depth)
        if key in _SCHEMAS and isinstance(value, dict):
            return {name: self.schema(one, depth + 1) for name, one in value.items()}
        if key in _LISTS_OF_SCHEMAS and isinstance(value, list):
            return [self.schema(one, depth + 1) for one in value]
        return self.schema(value, depth + 1) if key in _SINGLE_SCHEMAS else value

    def _is_hidden(self, stated: Mapping[str, Any], name: object) -> bool:
        properties = stated.get("properties")
        one = properties.get(name) if isinstance(properties, dict) else None
        return isinstance(one, dict) and one.get(self._hidden) is True

    def _referred(self, reference: str, stated: Schema) -> Schema:
        if reference not in self._names:
            if len(self._names) >= MAX_DEFINITIONS:
                return {}
            self._names[reference] = self._free_name(reference)
        beside: Schema = {key: stated[key] for key in ("description", "default", "title") if key in stated}
        return {"$ref": f"#/$defs/{self._names[reference]}", **beside}

    def _free_name(self, reference: str) -> str:
        base = _NAME.sub("-", reference.rpartition("/")[2])[:64] or "schema"
        taken = set(self._names.values())
        names = (f"{base}{number or ''}" for number in range(len(taken) + 1))
        return next(name for name in names if name not in taken)


def _flat(
    parameters: Sequence[Described], fields: Schema, required: list[str], given: Container[str]
) -> Schema:
    needed = [name for _, name, is_required, _ in parameters if is_required] + required
    return {
        "type": "object",
        "properties": {name: schema for _, name, _, schema in parameters} | fields,
        "required": [name for name in needed if name not in given],
    }


def _places(parameters: Sequence[Described], given: Container[str]) -> dict[str, Any]:
    """A schema for each place that parameters go to."""
    sorted_ = {location: [one for one in parameters if one[0] == location] for location in LOCATIONS}
    return {
        location: {**_flat(some, {}, [], given), "additionalProperties": False}
        for location, some in sorted_.items()
        if some
    }


def _whole(schema: Schema, translation: _Translation) -> Schema:
    definitions = translation.definitions()
    made = {"$schema": DIALECT, **schema, **({"$defs": definitions} if definitions else {})}
    if _is_small(made):
        return made
    properties = schema.get("properties")
    names = properties if isinstance(properties, dict) else {}
    top: Schema = {key: schema[key] for key in ("type", "required") if key in schema}
    return {"$schema": DIALECT, **top, "properties": {name: {} for name in names}}


def _is_small(schema: Schema) -> bool:
    """Neither larger nor deeper than anybody reads."""
    try:
        return len(orjson.dumps(schema)) <= LARGEST
    except orjson.JSONEncodeError:
        return False


def _of_today(made: Schema, stated: Schema) -> Schema:
    """OpenAPI 3.0's ways, and 2.0's, of what JSON Schema says otherwise now."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(flag := made.get(exclusive), bool):
            del made[exclusive]
            if flag and limit in made:
                made[exclusive] = made.pop(limit)
    if "example" in stated and "examples" not in made:
        made["examples"] = [stated["example"]]
    if stated.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(values := made.get("enum"), list) and None not in values:
            made["enum"] = [*values, None]
    return FILE if made.get("type") == "file" else made


def _of_parameter(stated: Mapping[str, Any]) -> Schema:
    """A parameter of OpenAPI 2.0 without what makes it one."""
    return {key: value for key, value in stated.items() if key not in _OF_PARAMETERS}


def _texts(listed: object) -> list[str]:
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _json_of(content: object) -> object:
    """The schema of the first media type that is JSON."""
    for name, media in content.items() if isinstance(content, dict) else ():
        if is_json(name) and isinstance(media, dict):
            return media.get("schema", {})
    return None


def _first_of(content: object) -> object:
    media = next(iter(content.values()), None) if isinstance(content, dict) else None
    return media.get("schema", {}) if isinstance(media, dict) else {}


def _is_left_out(key: str) -> bool:
    """What OpenAPI adds, and names and anchors: the definitions have others here."""
    return key in _LEFT_OUT or key.startswith(("x-", "$"))
