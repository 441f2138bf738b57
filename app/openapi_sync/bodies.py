"""The request bodies of OpenAPI 2.0 and 3.x: media types, and the properties of the object that is sent."""

from collections.abc import Iterable, Iterator

from app.openapi_sync.oddities import Notes, join_pointer
from app.openapi_sync.operation import RequestBody
from app.openapi_sync.parameters import RawParameter, RawParameters
from app.openapi_sync.references import References

MAX_CONTENT_TYPES = 64
LONGEST_CONTENT_TYPE = 256
MAX_SCHEMAS = 32
"""Members of nested ``allOf`` lists that one body's properties are gathered from."""

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


class BodyReader:
    """Reads the request bodies of one document."""

    def __init__(self, references: References) -> None:
        self._references = references

    def read(self, node: object, pointer: str, notes: Notes) -> RequestBody | None:
        """The ``requestBody`` of OpenAPI 3.x."""
        if node is None:
            return None
        body = self._references.mapping(node, pointer, notes)
        if body is None:
            return None
        content = body.get("content")
        content_types = _usable(content) if isinstance(content, dict) else ()
        if not isinstance(content, dict) or not content_types:
            notes.add(pointer, "a request body without `content` was left out")
            return None
        schema, main = None, _with_properties(content_types)
        if main is not None and isinstance(media := content[main], dict):
            schema = media.get("schema")
        names, defaults = self._properties(schema, join_pointer(pointer, "content", main, "schema"), notes)
        return RequestBody(content_types, body.get("required") is True, names, defaults)

    def read_swagger2(self, raw: RawParameters, consumes: object, notes: Notes) -> RequestBody | None:
        """What OpenAPI 2.0 describes by one parameter in ``body`` or by several in ``formData``."""
        accepted = _usable(consumes) if isinstance(consumes, list) else ()
        fields = {name: entry for (location, name), entry in raw.items() if location == "formData"}
        if fields:
            return _form(fields, accepted)
        for (location, _), entry in raw.items():
            if location == "body":
                pointer = join_pointer(entry.pointer, "schema")
                names, defaults = self._properties(entry.node.get("schema"), pointer, notes)
                is_required = entry.node.get("required") is True
                return RequestBody(accepted or (_JSON,), is_required, names, defaults)
        return None

    def _properties(
        self, schema: object, pointer: str, notes: Notes
    ) -> tuple[frozenset[str], dict[str, object]]:
        """Names and defaults of the top-level properties that may be sent."""
        names: set[str] = set()
        defaults: dict[str, object] = {}
        for properties, here in self._property_lists(schema, pointer, notes):
            for name, node in properties.items():
                if isinstance(node, dict) and ("default" in node or "$ref" in node):
                    found = self._references.mapping(node, join_pointer(here, name), notes) or {}
                    node = {**found, **node}  # noqa: PLW2901 - what stands beside a $ref wins, as in 3.1
                    if node.get("readOnly") is not True and "default" in node:
                        defaults[name] = node["default"]
                names.add(name)
        return frozenset(names), defaults

    def _property_lists(
        self, schema: object, pointer: str, notes: Notes
    ) -> Iterator[tuple[dict[str, object], str]]:
        """The ``properties`` of a schema and of what it is composed of by ``allOf``."""
        waiting, seen = [(schema, pointer)], 0
        while waiting and seen < MAX_SCHEMAS:
            seen += 1
            node, here = waiting.pop()
            if node is None or isinstance(node, bool):
                continue
            found = self._references.mapping(node, here, notes)
            if found is None:
                continue
            properties, members = found.get("properties"), found.get("allOf")
            if isinstance(properties, dict):
                yield properties, join_pointer(here, "properties")
            if isinstance(members, list):
                waiting += [(one, join_pointer(here, "allOf", index)) for index, one in enumerate(members)]


def _form(fields: dict[str, RawParameter], accepted: tuple[str, ...]) -> RequestBody:
    has_file = any(entry.node.get("type") == "file" for entry in fields.values())
    return RequestBody(
        tuple(one for one in accepted if _essence(one) in {_FORM, _MULTIPART})
        or (_MULTIPART if has_file else _FORM,),
        any(entry.node.get("required") is True for entry in fields.values()),
        frozenset(fields),
        {name: entry.node["default"] for name, entry in fields.items() if "default" in entry.node},
    )


def _usable(content_types: Iterable[object]) -> tuple[str, ...]:
    usable = (one for one in content_types if isinstance(one, str) and 0 < len(one) <= LONGEST_CONTENT_TYPE)
    return tuple(usable)[:MAX_CONTENT_TYPES]


def _with_properties(content_types: Iterable[str]) -> str | None:
    """The media type whose schema lists what may be sent: the first of JSON, else the first of a form."""
    forms = []
    for one in content_types:
        essence = _essence(one)
        if essence == _JSON or essence.endswith("+json"):
            return one
        if essence in {_FORM, _MULTIPART}:
            forms.append(one)
    return forms[0] if forms else None


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
