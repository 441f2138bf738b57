"""The request bodies of OpenAPI 2.0 and 3.x: media types, and the properties of the object that is sent."""

from collections.abc import Iterable, Iterator
from itertools import islice

from app.openapi_sync.oddities import Notes, Place
from app.openapi_sync.operation import RequestBody
from app.openapi_sync.parameters import Entries, Entry
from app.openapi_sync.pieces import Body, Media, Property, Schema, overlaid
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

    def read(self, found: object, place: Place, notes: Notes) -> RequestBody | None:
        """The ``requestBody`` of OpenAPI 3.x."""
        if found is None:
            return None
        body = self._references.follow(found, Body, place, notes)
        if body is None:
            return None
        content_types = _usable(body.content) if isinstance(body.content, dict) else ()
        if not body.content or not content_types:
            notes.add(place, "a request body without `content` was left out")
            return None
        schema, main = None, _with_properties(content_types)
        if main is not None and isinstance(media := body.content[main], Media):
            schema = media.schema
        names, defaults = self._properties(schema, (*place, "content", main, "schema"), notes)
        return RequestBody(content_types, body.required is True, names, defaults)

    def read_swagger2(self, entries: Entries, consumes: object, notes: Notes) -> RequestBody | None:
        """What OpenAPI 2.0 describes by one parameter in ``body`` or by several in ``formData``."""
        accepted = _usable(consumes) if isinstance(consumes, list) else ()
        fields = {name: entry for (location, name), entry in entries.items() if location == "formData"}
        if fields:
            return _form(fields, accepted)
        for (location, _), entry in entries.items():
            if location == "body":
                names, defaults = self._properties(entry.piece.schema, (*entry.place, "schema"), notes)
                return RequestBody(accepted or (_JSON,), entry.piece.required is True, names, defaults)
        return None

    def _properties(
        self, schema: object, place: Place, notes: Notes
    ) -> tuple[frozenset[str], dict[str, object]]:
        """Names and defaults of the top-level properties that may be sent."""
        names: set[str] = set()
        defaults: dict[str, object] = {}
        for properties, here in self._property_lists(schema, place, notes):
            names.update(properties)
            for name, one in properties.items():
                if not isinstance(one, Property) or (one.ref is None and one.default is None):
                    continue
                found = self._references.follow(one, Property, (*here, name), notes)
                if found is not None and found is not one:
                    found = overlaid(found, one)  # what stands beside a $ref wins, as in 3.1
                if found is not None and found.default is not None and found.read_only is not True:
                    defaults[name] = found.default
        return frozenset(names), defaults

    def _property_lists(
        self, schema: object, place: Place, notes: Notes
    ) -> Iterator[tuple[dict[str, Property | bool], Place]]:
        """The ``properties`` of a schema and of what it is composed of by ``allOf``."""
        waiting, seen, references = [(schema, place)], 0, set()
        while waiting and seen < MAX_SCHEMAS:
            seen += 1
            one, here = waiting.pop()
            if one is None or isinstance(one, bool):
                continue
            if isinstance(one, Schema) and isinstance(one.ref, str):
                if one.ref in references:
                    continue
                references.add(one.ref)
            found = self._references.follow(one, Schema, here, notes)
            if found is None:
                continue
            if isinstance(found.properties, dict):
                yield found.properties, (*here, "properties")
            if isinstance(found.all_of, list):
                first = max(len(found.all_of) - MAX_SCHEMAS, 0)  # the last are looked at first
                members = enumerate(found.all_of[first:], first)
                waiting += [(member, (*here, "allOf", index)) for index, member in members]


def _form(fields: dict[str, Entry], accepted: tuple[str, ...]) -> RequestBody:
    has_file = any(entry.piece.type == "file" for entry in fields.values())
    defaults = {name: entry.piece.default for name, entry in fields.items()}
    return RequestBody(
        tuple(one for one in accepted if _essence(one) in {_FORM, _MULTIPART})
        or (_MULTIPART if has_file else _FORM,),
        any(entry.piece.required is True for entry in fields.values()),
        frozenset(fields),
        {name: default for name, default in defaults.items() if default is not None},
    )


def _usable(content_types: Iterable[object]) -> tuple[str, ...]:
    some = islice(content_types, MAX_CONTENT_TYPES)
    return tuple(one for one in some if isinstance(one, str) and 0 < len(one) <= LONGEST_CONTENT_TYPE)


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
