"""The body of an operation's request, in the first of its media types that the argument can be written in.

JSON comes before forms, and those before text and bytes. Bytes are given as ``{"base64": "…"}``, with
``contentType`` and ``filename`` where they matter: as the whole body, or as a field of a multipart form.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

from app.core.errors import Fault
from app.core.strict_json import pointer
from app.executions.errors import ArgumentInvalid, BodyNotSupported
from app.executions.parameters import form, json_text, scalar
from app.handlers.targets import is_form, is_json, is_multipart

_FILE_KEYS = frozenset({"base64", "contentType", "filename"})
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:; ?[\w-]+=[\w./+-]+)*", re.ASCII)
ANY_JSON = frozenset({"*/*", "application/*"})
_BYTES = "application/octet-stream"
_TEXT = "text/plain"


Place = tuple[str, ...]
"""Where in the caller's arguments a value stands."""


def encoded_body(value: object, content_types: Sequence[str], place: Place = ()) -> tuple[bytes, str]:
    """The bytes and their ``Content-Type``. Without media types the body is JSON.

    Raises ``BodyNotSupported`` where none fits, ``ArgumentInvalid`` for bytes or names that cannot be sent.
    """
    for one in content_types or ["*/*"]:
        if is_json(one):
            return json_text(value), one
        if one in ANY_JSON and not _is_file(value):
            return json_text(value), "application/json"
    if isinstance(value, Mapping) and not _is_file(value):
        return _encoded_form(value, content_types, place)
    for one in content_types:
        if is_form(one) or is_multipart(one):
            continue
        if isinstance(value, str):
            return value.encode(), _TEXT if "*" in one else one
        if isinstance(value, Mapping):
            return _file_bytes(value, place), _media_type(value, place) or (_BYTES if "*" in one else one)
    raise BodyNotSupported


def _encoded_form(
    value: Mapping[str, object], content_types: Sequence[str], place: Place
) -> tuple[bytes, str]:
    """A form of names and values; of several parts where a file is among them, or nothing else is taken."""
    has_file = any(_is_file(item) for field in value.values() for item in _items(field))
    plain = next((one for one in content_types if is_form(one)), None)
    if plain and not has_file:
        return form(value).encode(), plain
    if any(is_multipart(one) for one in content_types):
        return _multipart(value, place)
    raise BodyNotSupported


def _multipart(value: Mapping[str, object], place: Place) -> tuple[bytes, str]:
    """RFC 7578. The boundary comes from the parts, so that every attempt sends the same bytes."""
    items = ((name, item) for name, field in value.items() for item in _items(field))
    parts = [_part(name, item, (*place, name)) for name, item in items if item is not None]
    boundary = hashlib.sha256(b"".join(parts)).hexdigest()[:40]
    lines = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return lines + b"--%b--\r\n" % boundary.encode(), f"multipart/form-data; boundary={boundary}"


def _part(name: str, value: object, place: Place) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if isinstance(value, Mapping) and _is_file(value):
        filename = value.get("filename", "file")
        if not isinstance(filename, str):
            raise _invalid("The file name must be text.", *place, "filename")
        disposition += f'; filename="{_quoted(filename)}"'
        content_type, data = _media_type(value, place) or _BYTES, _file_bytes(value, place)
    elif isinstance(value, Mapping | list):
        content_type, data = "application/json", json_text(value)
    else:
        content_type, data = None, scalar(value).encode()
    head = disposition if content_type is None else f"{disposition}\r\nContent-Type: {content_type}"
    return b"%b\r\n\r\n%b" % (head.encode(), data)


def _items(field: object) -> Iterator[object]:
    """A list is a field that is sent several times."""
    yield from field if isinstance(field, list) else [field]


def _is_file(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("base64"), str) and value.keys() <= _FILE_KEYS


def _file_bytes(value: Mapping[str, object], place: Place) -> bytes:
    try:
        return base64.b64decode(str(value["base64"]), validate=True)
    except binascii.Error:
        raise _invalid("This is not base64.", *place, "base64") from None


def _media_type(value: Mapping[str, object], place: Place) -> str | None:
    stated = value.get("contentType")
    if stated is not None and not (isinstance(stated, str) and _MEDIA_TYPE.fullmatch(stated)):
        raise _invalid("This is not a media type.", *place, "contentType")
    return stated


def _quoted(text: str) -> str:
    """As browsers write names into a part's head (HTML, "multipart/form-data encoding algorithm")."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _invalid(message: str, *place: str) -> ArgumentInvalid:
    return ArgumentInvalid(errors=[Fault(pointer(*place), message)])
