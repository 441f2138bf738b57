"""The parameters of OpenAPI 2.0 and 3.x: what is sent outside the body, and how it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.openapi_sync.oddities import Notes, join_pointer, quote
from app.openapi_sync.operation import Parameter
from app.openapi_sync.references import References

LONGEST_NAME = 256

_STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""By location, the default first (OpenAPI 3.1.1, section 4.8.12.2)."""
_COLLECTION_STYLES = {
    "ssv": ("spaceDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""In OpenAPI 3.x a header parameter of this name "shall be ignored"."""
_BODY_LOCATIONS = frozenset({"body", "formData"})


@dataclass(frozen=True, slots=True)
class RawParameter:
    """An entry of a ``parameters`` list with its reference resolved."""

    node: dict[str, object]
    pointer: str


RawParameters = dict[tuple[str, str], RawParameter]
"""By location and name, which together identify a parameter."""


class ParameterReader:
    """Reads the parameters of one document; those that operations share are read once."""

    def __init__(self, references: References, *, is_swagger2: bool) -> None:
        self._references = references
        self._is_swagger2 = is_swagger2
        self._made: dict[int, Parameter] = {}  # by id() of the node, which the document keeps alive

    def collect(self, listed: object, pointer: str, notes: Notes) -> RawParameters:
        """The entries of a ``parameters`` list that have a name and a place."""
        found: RawParameters = {}
        if listed is None:
            return found
        if not isinstance(listed, list):
            notes.add(pointer, "`parameters` is not a list")
            return found
        for index, item in enumerate(listed):
            here = join_pointer(pointer, index)
            node = self._references.mapping(item, here, notes)
            if node is None:
                continue
            name, location = node.get("name"), node.get("in")
            if isinstance(name, str) and isinstance(location, str) and 0 < len(name) <= LONGEST_NAME:
                found[location, name] = RawParameter(node, here)
            else:
                notes.add(here, "a parameter without a usable `name` and `in` was left out")
        return found

    def read(self, raw: RawParameters, notes: Notes) -> list[Parameter]:
        """Everything that is sent outside the body."""
        kept = []
        for (location, name), entry in raw.items():
            if location in _STYLES:
                if not self._is_ignored(location, name):
                    kept.append(self._parameter(name, location, entry, notes))
            elif not (self._is_swagger2 and location in _BODY_LOCATIONS):
                notes.add(entry.pointer, f"a parameter in {quote(location)} was left out")
        return kept

    def _is_ignored(self, location: str, name: str) -> bool:
        return not self._is_swagger2 and location == "header" and name.lower() in _IGNORED_HEADERS

    def _parameter(self, name: str, location: str, entry: RawParameter, notes: Notes) -> Parameter:
        known = self._made.get(id(entry.node))
        if known is not None:
            return known
        before = len(notes.oddities)
        schema = self._schema(entry, notes)
        style, explode = self._serialisation(location, entry, notes)
        made = Parameter(
            name=name,
            location=location,
            required=location == "path" or entry.node.get("required") is True,
            style=style,
            explode=explode,
            schema_type=_type_of(schema),
            schema_default=schema.get("default"),
        )
        if len(notes.oddities) == before:  # an odd one is read again, so that each operation says so
            self._made[id(entry.node)] = made
        return made

    def _schema(self, entry: RawParameter, notes: Notes) -> Mapping[str, object]:
        """Where type and default stand: in the parameter itself (2.0), its ``schema`` or its ``content``."""
        if self._is_swagger2:
            return entry.node
        node = entry.node.get("schema")
        content = entry.node.get("content")
        if node is None and isinstance(content, dict):
            notes.add(entry.pointer, "a parameter described by `content` is sent as plain text")
            media = next(iter(content.values()), None)
            node = media.get("schema") if isinstance(media, dict) else None
        if node is None or isinstance(node, bool):  # `true` is a schema too, since 3.1
            return {}
        return self._references.mapping(node, join_pointer(entry.pointer, "schema"), notes) or {}

    def _serialisation(self, location: str, entry: RawParameter, notes: Notes) -> tuple[str, bool]:
        styles = _STYLES[location]
        if self._is_swagger2:
            return _collection_style(location, entry, notes)
        style, explode = entry.node.get("style", styles[0]), entry.node.get("explode")
        if not isinstance(style, str) or style not in styles:
            notes.add(
                entry.pointer, f"the style {quote(style)} is none for {location}; {styles[0]} was taken"
            )
            style = styles[0]
        return style, explode if isinstance(explode, bool) else style == "form"


def _collection_style(location: str, entry: RawParameter, notes: Notes) -> tuple[str, bool]:
    """OpenAPI 2.0's way to write lists, of which ``csv`` is the default and fits everywhere."""
    wanted = entry.node.get("collectionFormat", "csv")
    if location == "query" and isinstance(wanted, str) and wanted in _COLLECTION_STYLES:
        return _COLLECTION_STYLES[wanted]
    if wanted != "csv":
        notes.add(entry.pointer, f"the collection format {quote(wanted)} is sent as csv")
    return _STYLES[location][0], False


def _type_of(schema: Mapping[str, object]) -> str | None:
    """The schema's type; of the list that 3.1 allows the first that is not "null"."""
    stated = schema.get("type")
    for one in stated if isinstance(stated, list) else [stated]:
        if isinstance(one, str) and one != "null":
            return one
    return None
