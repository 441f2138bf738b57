"""What an operation takes and gives, as JSON Schema 2020-12 that stands alone: for agents and for forms.

Schemas are taken from the document for one operation at a time, with what they refer to in ``$defs``.
OpenAPI's older dialects are translated, and what has no meaning outside of them is left out.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.egress.headers import CONNECTION_HEADERS
from app.executions.request_bodies import ANY_JSON
from app.handlers.targets import is_form, is_json, is_multipart
from app.openapi_sync.document import Document
from app.openapi_sync.operation import Operation
from app.openapi_sync.references import Dangling, References, Section
from app.openapi_sync.schema_translation import CheckTranslation, Schema, Translation, texts

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LOCATIONS = ("path", "query", "header", "cookie", "querystring")
MAX_MEMBERS = 64
"""Of ``allOf`` lists that a body's properties are gathered from."""
LONGEST_DESCRIPTION = 4096
LARGEST = 128 * 1024
"""Bytes of a schema with its definitions. Of a larger one only the names at its top are told."""

_PLAIN = frozenset(
    ("type", "properties", "required", "allOf", "additionalProperties", "title", "description", "nullable")
)
"""Keywords of an object whose properties can be given beside the parameters."""
_SAID_TO_PEOPLE = frozenset({"example", "examples", "externalDocs", "deprecated", "xml"})
_OF_PARAMETERS = frozenset({"name", "in", "required", "allowEmptyValue"})
_OURS = CONNECTION_HEADERS | {"idempotency-key"}
"""Headers that a call sets itself."""

Described = tuple[str, str, bool, Schema]
"""A parameter: location, name, whether it is required, and its schema."""


@dataclass(slots=True)
class _Fields:
    """Properties of a body, and which of them it needs."""

    schemas: dict[str, Schema] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ArgumentSchemas:
    """What the arguments of a call have to be, where they are given."""

    parameters: Schema
    """Of an object of objects: location, name, value."""
    body: Schema | None
    """None of one that is sent as neither JSON nor form."""
    is_form: bool


class ToolSchemas:
    """Reads the schemas of one document's operations."""

    def __init__(self, document: Document, sections: Mapping[str, Section] | None = None) -> None:
        """``sections``: those of the document that were looked through already, by the reference to each."""
        self._is_swagger2 = document.is_swagger2
        self._references = References(document.text, sections or {})

    def input(self, operation: Operation, given: Container[str] = ()) -> Schema:
        """The arguments of a call: flat where their names tell where they go, else sorted by place. What is
        ``given``, by a handler's defaults, may be left out."""
        translation = Translation(self._references, hidden="readOnly")
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

    def arguments(self, operation: Operation) -> ArgumentSchemas:
        """What ``input`` says, to check by: sorted by place, and without saying what must be there."""
        translation = CheckTranslation(self._references, hidden="readOnly")
        places: dict[str, Schema] = {location: {"properties": {}} for location in LOCATIONS}
        for location, name, _, schema in self._parameters(operation, translation):
            places[location]["properties"][name] = schema
        parameters = _whole({"properties": places}, translation)
        main = _main_type(operation.body.content_types) if operation.body else None
        if main is None or (stated := self._body(operation)) is None:
            return ArgumentSchemas(parameters, None, is_form=False)
        translation = CheckTranslation(self._references, hidden="readOnly")
        body = _whole(translation.schema(stated), translation)
        return ArgumentSchemas(parameters, body, is_form=is_form(main) or is_multipart(main))

    def description(self, operation: Operation) -> str | None:
        """What the document says of it at length."""
        text = self._mapping(operation.place).get("description")
        return text.strip()[:LONGEST_DESCRIPTION] or None if isinstance(text, str) else None

    def output(self, operation: Operation) -> Schema | None:
        """What a successful call answers, where the document says so in JSON."""
        translation = Translation(self._references, hidden="writeOnly")
        responses = self._mapping((*operation.place, "responses"))
        for status in sorted(responses):
            if status.startswith("2") or status == "default":
                response = self._resolved(responses[status])
                stated = response.get("schema") if self._is_swagger2 else _json_of(response.get("content"))
                if isinstance(stated, dict):
                    return _whole(translation.schema(stated), translation)
        return None

    def _parameters(self, operation: Operation, translation: Translation) -> Iterator[Described]:
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
        content = self._resolved(self._mapping(operation.place).get("requestBody")).get("content")
        media = content.get(_main_type(operation.body.content_types)) if isinstance(content, dict) else None
        stated = media.get("schema", {}) if isinstance(media, dict) else _first_of(content)
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

    def _fields(self, body: Schema, translation: Translation) -> "_Fields | None":
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
            required |= dict.fromkeys(texts(one.get("required")))
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


def _whole(schema: Schema, translation: Translation) -> Schema:
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


def _of_parameter(stated: Mapping[str, Any]) -> Schema:
    """A parameter of OpenAPI 2.0 without what makes it one."""
    return {key: value for key, value in stated.items() if key not in _OF_PARAMETERS}


def _main_type(content_types: Iterable[str]) -> str | None:
    """The media type that a call sends its arguments in, when it can choose: see ``encoded_body``."""
    json = [one for one in content_types if is_json(one) or one in ANY_JSON]
    forms = [one for one in content_types if is_form(one) or is_multipart(one)]
    return next(iter([*json, *forms]), None)


def _json_of(content: object) -> object:
    """The schema of the first media type that is JSON."""
    for name, media in content.items() if isinstance(content, dict) else ():
        if is_json(name) and isinstance(media, dict):
            return media.get("schema", {})
    return None


def _first_of(content: object) -> object:
    media = next(iter(content.values()), None) if isinstance(content, dict) else None
    return media.get("schema", {}) if isinstance(media, dict) else {}
