"""Bytes into an OpenAPI document whose parts can be taken from it.

The content type is never asked: servers lie about it. JSON is tried first, then YAML, of which almost every
broken JSON (trailing commas, comments, single quotes) is a legal form. Each repair is an oddity. Nothing is
validated beyond "is this JSON, and OpenAPI at all", and no schema is walked: one operation that is wrong must
not cost the other thousand.
"""

import hashlib
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from dataclasses import dataclass, field, replace

import orjson

from app.openapi_sync.errors import (
    DocumentTooComplex,
    DocumentUnreadable,
    GotHtmlPage,
    NotOpenApi,
    unreadable,
)
from app.openapi_sync.oddities import Oddity, quote
from app.openapi_sync.pieces import Description, is_json, take_description
from app.openapi_sync.yaml_process import JsonText, read_yaml

_UTF16_BYTES = {
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
    b"{\0": "utf-16-le",
    b"\0{": "utf-16-be",
}
SMALL = 4 * 1024 * 1024
"""Bytes of a document that may be anything: the worst takes forty times as many."""
MAX_OBJECTS = 1_250_000
MAX_COMMAS = 3_000_000

MAX_NULS = 100_000
"""Each is replaced by itself."""

_CHUNK = 1 << 16
_GAPS = b"\x81\x8d\x8f\x90\x9d"
"""What stands for nothing in Windows-1252."""
_WITHOUT_GAPS = bytes.maketrans(_GAPS, b"?" * len(_GAPS))
_JSON_STARTS = (b"{", b"[")
_MAJOR_VERSIONS = {"swagger": "2", "openapi": "3"}
_ESCAPED_NUL_TEXT = rb"\u0000"
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*+)\\u0000")


@dataclass(frozen=True, slots=True)
class Document:
    """A document that says it is OpenAPI and has a ``paths`` or ``webhooks`` object."""

    text: bytes = field(repr=False)
    """JSON in UTF-8, whatever it was."""
    description: Description = field(repr=False)
    version: str
    """As written: "2.0", "3.0.3", "3.1.0"."""
    content_hash: str
    """SHA-256 of the bytes as they came, in hexadecimal."""
    warnings: tuple[Oddity, ...] = ()
    peak_bytes: int = 0
    """Memory that reading it took in another process, which is where YAML is read."""

    @property
    def is_swagger2(self) -> bool:
        return self.version.startswith("2")


def read(raw: bytes) -> Document:
    """Look through a document once, from end to end. YAML may take seconds in a process of its own: call this
    from a thread.

    Raises ``DocumentUnreadable``, ``GotHtmlPage``, ``NotOpenApi`` or ``DocumentTooComplex``.
    """
    check_count(raw)
    made, description = JsonText(raw), None
    if _ESCAPED_NUL_TEXT not in raw and _is_utf8(raw):
        description = _description(raw)
    if description is None:
        made = as_json(raw)
        check_count(made.text)
        description = _description(made.text)
    if description is None:
        raise NotOpenApi(_kind_of(made.text))
    version = _version(description)
    if version is None or not any(isinstance(one, dict) for one in (description.paths, description.webhooks)):
        raise NotOpenApi(_what_is_missing(description))
    content_hash = hashlib.sha256(raw).hexdigest()
    return Document(made.text, description, version, content_hash, made.oddities, made.peak_bytes)


def check_count(text: bytes) -> None:
    """Refuse what would take many times its size in memory, as ``[{},{},{}`` does. What stands in strings is
    counted too, but the densest description known would have to be of 80 MB to come near."""
    if len(text) <= SMALL:
        return
    if text.count(b"{") > MAX_OBJECTS or text.count(b",") > MAX_COMMAS:
        raise DocumentTooComplex(
            f"the document has more than {MAX_OBJECTS:,} objects or {MAX_COMMAS:,} commas in all"
        )


def _description(text: bytes) -> Description | None:
    try:
        return take_description(text)
    except RecursionError:
        raise DocumentTooComplex("the document is nested too deeply") from None


def _is_utf8(raw: bytes) -> bool:
    """By pieces: all of it as text would take up to four times its size."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), _CHUNK):
            decoder.decode(raw[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def as_json(raw: bytes) -> JsonText:
    """JSON out of what is JSON or nearly so, or YAML. Raises ``DocumentUnreadable``, ``GotHtmlPage`` or
    ``DocumentTooComplex``."""
    text, oddities = repaired(raw)
    if text.lstrip()[:1] == b"<":
        raise GotHtmlPage
    if is_json(text):
        return JsonText(text, oddities)
    try:  # orjson says where something is wrong, and may take what msgspec does not
        return JsonText(orjson.dumps(orjson.loads(text)), oddities)
    except orjson.JSONEncodeError:
        raise DocumentTooComplex("the document is nested too deeply") from None
    except orjson.JSONDecodeError as error:
        is_meant = text.lstrip()[:1] in _JSON_STARTS
        made = _json_of_broken_json(text, error) if is_meant else read_yaml(text)
    return replace(made, oddities=(*oddities, *made.oddities))


def _json_of_broken_json(text: bytes, error: orjson.JSONDecodeError) -> JsonText:
    """Read as YAML what was meant as JSON; when that fails too, the first complaint is the one that helps."""
    complaint = unreadable(error.msg, error.lineno, error.colno)
    try:
        made = read_yaml(text)
    except DocumentUnreadable:
        raise complaint from None
    oddity = Oddity("", f"this is not valid JSON and was read as YAML: {complaint.detail}")
    return replace(made, oddities=(oddity, *made.oddities))


def repaired(raw: bytes) -> tuple[bytes, tuple[Oddity, ...]]:
    """The same text in plain UTF-8, with nothing in it that PostgreSQL could not store."""
    text, oddities = raw, []
    encoding = _UTF16_BYTES.get(raw[:2])
    if encoding is not None:
        text = _decoded(raw, encoding)
        oddities.append(Oddity("", "the document is UTF-16, not UTF-8"))
    elif raw.startswith(BOM_UTF8):
        oddities.append(Oddity("", "the document starts with a byte order mark"))
    text = text.removeprefix(BOM_UTF8)
    if not _is_utf8(text):
        oddities.append(Oddity("", "the document is not UTF-8 and was read as Windows-1252"))
        text = text.translate(_WITHOUT_GAPS).decode("cp1252").encode()
    if _ESCAPED_NUL_TEXT in text:
        if text.count(_ESCAPED_NUL_TEXT) > MAX_NULS:
            raise DocumentTooComplex(f"the document has more than {MAX_NULS:,} NUL characters")
        text, nuls = _ESCAPED_NUL.subn(rb"\1\\ufffd", text)
        if nuls:
            oddities.append(Oddity("", f"{nuls} NUL characters were replaced"))
    return text, tuple(oddities)


def _decoded(raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise DocumentUnreadable(f"the document is not UTF-16 from byte {error.start} on") from None


def _version(description: Description) -> str | None:
    """The OpenAPI version of a document of a kind that can be synced."""
    for key, major in _MAJOR_VERSIONS.items():
        version = getattr(description, key)
        if isinstance(version, str | int | float) and str(version).startswith(major):
            return str(version)
    return None


def _kind_of(text: bytes) -> str:
    kinds = {b"n": "empty", b'"': "text, not an object"}
    return f"the document is {kinds.get(text.lstrip()[:1], 'not an object')}"


def _what_is_missing(description: Description) -> str:
    stated = {key: stated for key in _MAJOR_VERSIONS if (stated := getattr(description, key)) is not None}
    if not stated:
        return "the document has neither `openapi` nor `swagger`, one of which names its version"
    for key, version in stated.items():
        if not str(version).startswith(_MAJOR_VERSIONS[key]):
            return f"`{key}: {quote(version)}` is not a version that is read: 2.0 and 3.x are"
    return "the document has neither a `paths` nor a `webhooks` object"
