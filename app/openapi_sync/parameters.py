"""The parameters of OpenAPI 2.0 and 3.x: what is sent outside the body, and how it is written down."""

from typing import NamedTuple

from app.openapi_sync.oddities import Notes, Place, quote
from app.openapi_sync.operation import Parameter
from app.openapi_sync.pieces import Media, ParameterPiece, Property, Schema
from app.openapi_sync.references import References

LONGEST_NAME = 256
MAX_PARAMETERS = 512
"""Of one operation; an entry more is still read, to tell that they are too many."""

_STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
    "querystring": ("form",),
}
"""By location, the default first (OpenAPI 3.1.1, section 4.8.12.2). ``querystring`` is 3.2's, without any."""
_COLLECTION_STYLES = {
    "ssv": ("spaceDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""In OpenAPI 3.x a header parameter of this name "shall be ignored"."""
_BODY_LOCATIONS = frozenset({"body", "formData"})


class Entry(NamedTuple):
    """An entry of a ``parameters`` list: what it stands for, and by which reference, if it is one."""

    piece: ParameterPiece
    place: Place
    reference: str | None


Entries = dict[tuple[str, str], Entry]
"""By location and name, which together identify a parameter."""


class ParameterReader:
    """Reads the parameters of one document; those that operations share are read once."""

    def __init__(self, references: References, *, is_swagger2: bool) -> None:
        self._references = references
        self._is_swagger2 = is_swagger2
        self._made: dict[str, Parameter] = {}  # by reference

    def collect(self, listed: object, place: Place, notes: Notes) -> Entries:
        """The entries of a ``parameters`` list that have a name and a place."""
        found: Entries = {}
        if listed is None:
            return found
        if not isinstance(listed, list):
            notes.add(place, "`parameters` is not a list")
            return found
        for index, item in enumerate(listed[: MAX_PARAMETERS + 1]):
            here = (*place, index)
            piece = self._references.follow(item, ParameterPiece, here, notes)
            if piece is None:
                continue
            name, location = piece.name, piece.location
            if isinstance(name, str) and isinstance(location, str) and 0 < len(name) <= LONGEST_NAME:
                found[location, name] = Entry(piece, here, None if piece is item else item.ref)
            else:
                notes.add(here, "a parameter without a usable `name` and `in` was left out")
        return found

    def read(self, entries: Entries, notes: Notes) -> list[Parameter]:
        """Everything that is sent outside the body."""
        kept = []
        for (location, name), entry in entries.items():
            if location in _STYLES:
                if not self._is_ignored(location, name):
                    kept.append(self._parameter(name, location, entry, notes))
            elif not (self._is_swagger2 and location in _BODY_LOCATIONS):
                notes.add(entry.place, f"a parameter in {quote(location)} was left out")
        return kept

    def _is_ignored(self, location: str, name: str) -> bool:
        return not self._is_swagger2 and location == "header" and name.lower() in _IGNORED_HEADERS

    def _parameter(self, name: str, location: str, entry: Entry, notes: Notes) -> Parameter:
        if entry.reference in self._made:
            return self._made[entry.reference]
        before = len(notes.oddities)
        schema = self._schema(entry, notes)
        style, explode = self._serialisation(location, entry, notes)
        made = Parameter(
            name=name,
            location=location,
            required=location == "path" or entry.piece.required is True,
            style=style,
            explode=explode,
            schema_default=schema.default if schema else None,
            content_type=_content_type(entry),
        )
        # An odd one is read again, so that each operation says so.
        if entry.reference is not None and len(notes.oddities) == before:
            self._made[entry.reference] = made
        return made

    def _schema(self, entry: Entry, notes: Notes) -> Property | None:
        """Where a default stands: in the parameter itself (2.0), its ``schema`` or its ``content``."""
        if self._is_swagger2:
            return entry.piece
        schema, content = entry.piece.schema, entry.piece.content
        if schema is None and isinstance(content, dict):
            media = next(iter(content.values()), None)
            schema = media.schema if isinstance(media, Media) else None
        if schema is None or isinstance(schema, bool):  # `true` is a schema too, since 3.1
            return None
        return self._references.follow(schema, Schema, (*entry.place, "schema"), notes)

    def _serialisation(self, location: str, entry: Entry, notes: Notes) -> tuple[str, bool]:
        styles = _STYLES[location]
        if self._is_swagger2:
            return _collection_style(location, entry, notes)
        style, explode = entry.piece.style, entry.piece.explode
        if style is None:
            style = styles[0]
        elif not isinstance(style, str) or style not in styles:
            notes.add(entry.place, f"the style {quote(style)} is none for {location}; {styles[0]} was taken")
            style = styles[0]
        return style, explode if isinstance(explode, bool) else style == "form"


def _content_type(entry: Entry) -> str | None:
    """The one media type of a parameter that has no ``schema``."""
    content = entry.piece.content
    if entry.piece.schema is not None or not isinstance(content, dict):
        return None
    return next((one for one in content if 0 < len(one) <= LONGEST_NAME), None)


def _collection_style(location: str, entry: Entry, notes: Notes) -> tuple[str, bool]:
    """OpenAPI 2.0's way to write lists, of which ``csv`` is the default and fits everywhere."""
    wanted = entry.piece.collection_format
    if location == "query" and isinstance(wanted, str) and wanted in _COLLECTION_STYLES:
        return _COLLECTION_STYLES[wanted]
    if wanted != "csv":
        notes.add(entry.place, f"the collection format {quote(wanted)} is sent as csv")
    return _STYLES[location][0], False
