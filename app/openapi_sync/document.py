"""Bytes into a parsed OpenAPI document.

The content type is never asked: servers lie about it. JSON is tried first, then YAML, of which almost every
broken JSON (trailing commas, comments, single quotes) is a legal form. Each repair is an oddity. Nothing is
validated beyond "is this OpenAPI at all", and no schema is walked: one operation that is wrong must not cost
the other thousand.
"""

import hashlib
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from app.openapi_sync.errors import (
    MAX_DEPTH,
    DocumentTooComplex,
    DocumentUnreadable,
    GotHtmlPage,
    NotOpenApi,
    unreadable,
)
from app.openapi_sync.oddities import Oddity, quote
from app.openapi_sync.yaml_process import read_yaml

_UTF16_BYTES = {
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
    b"{\0": "utf-16-le",
    b"\0{": "utf-16-be",
}
_JSON_STARTS = (b"{", b"[")
_MAJOR_VERSIONS = {"swagger": "2", "openapi": "3"}
_ESCAPED_NUL_TEXT = rb"\u0000"
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True, slots=True)
class Document:
    """A document that says it is OpenAPI and has a ``paths`` or ``webhooks`` object."""

    data: dict[str, Any]
    version: str
    """As written: "2.0", "3.0.3", "3.1.0"."""
    content_hash: str
    """SHA-256 of the bytes as they came, in hexadecimal."""
    warnings: tuple[Oddity, ...]

    @property
    def is_swagger2(self) -> bool:
        return self.version.startswith("2")


def read(raw: bytes) -> Document:
    """Parse a document. YAML may take seconds in a process of its own: call this from a thread.

    Raises ``DocumentUnreadable``, ``GotHtmlPage``, ``NotOpenApi`` or ``DocumentTooComplex``.
    """
    value, oddities = _parse(raw)
    version = _version(value)
    if isinstance(value, dict) and version is not None:
        _check_depth(value)
        return Document(value, version, hashlib.sha256(raw).hexdigest(), oddities)
    raise NotOpenApi(_what_is_missing(value))


def _parse(raw: bytes) -> tuple[object, tuple[Oddity, ...]]:
    if _ESCAPED_NUL_TEXT not in raw:
        try:
            return orjson.loads(raw), ()
        except orjson.JSONDecodeError:
            pass
    text, oddities = _repair(raw)
    if text.lstrip()[:1] == b"<":
        raise GotHtmlPage
    try:
        return orjson.loads(text), oddities
    except orjson.JSONDecodeError as error:
        value, more = (
            _parse_broken_json(text, error) if text.lstrip()[:1] in _JSON_STARTS else read_yaml(text)
        )
    return value, (*oddities, *more)


def _parse_broken_json(text: bytes, error: orjson.JSONDecodeError) -> tuple[object, tuple[Oddity, ...]]:
    """Read as YAML what was meant as JSON; when that fails too, the first complaint is the one that helps."""
    complaint = unreadable(error.msg, error.lineno, error.colno)
    try:
        value, oddities = read_yaml(text)
    except DocumentUnreadable:
        raise complaint from None
    return value, (Oddity("", f"this is not valid JSON and was read as YAML: {complaint.detail}"), *oddities)


def _repair(raw: bytes) -> tuple[bytes, tuple[Oddity, ...]]:
    """The same text in plain UTF-8, with nothing in it that PostgreSQL could not store."""
    text, oddities = raw, []
    encoding = _UTF16_BYTES.get(raw[:2])
    if encoding is not None:
        text = raw.decode(encoding, errors="replace").encode()
        oddities.append(Oddity("", "the document is UTF-16, not UTF-8"))
    elif raw.startswith(BOM_UTF8):
        oddities.append(Oddity("", "the document starts with a byte order mark"))
    text = text.removeprefix(BOM_UTF8)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        oddities.append(Oddity("", f"byte {error.start} is not UTF-8; the document was read as Windows-1252"))
        text = text.decode("cp1252", errors="replace").encode()
    text, nuls = _ESCAPED_NUL.subn(rb"\1\\ufffd", text)
    if nuls:
        oddities.append(Oddity("", f"{nuls} NUL characters were replaced"))
    return text, tuple(oddities)


def _version(value: object) -> str | None:
    """The OpenAPI version of a document that can be synced; None when it is something else."""
    if not isinstance(value, dict) or not any(
        isinstance(value.get(key), dict) for key in ("paths", "webhooks")
    ):
        return None
    for key, major in _MAJOR_VERSIONS.items():
        version = value.get(key)
        if isinstance(version, str | int | float) and str(version).startswith(major):
            return str(version)
    return None


def _what_is_missing(value: object) -> str:
    if not isinstance(value, dict):
        found = (
            "empty" if value is None else "text, not an object" if isinstance(value, str) else "not an object"
        )
        return f"the document is {found}"
    stated = {key: value[key] for key in _MAJOR_VERSIONS if key in value}
    if not stated:
        return "the document has neither `openapi` nor `swagger`, one of which names its version"
    for key, version in stated.items():
        if not str(version).startswith(_MAJOR_VERSIONS[key]):
            return f"`{key}: {quote(version)}` is not a version that is read: 2.0 and 3.x are"
    return "the document has neither a `paths` nor a `webhooks` object"


def _check_depth(value: object) -> None:
    """Refuse what is nested too deeply. orjson writes 254 levels at most and says so in C, in a fifth of the
    time of the walk, so that only a document deeper than that is walked.
    """
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        level = [value]
        for _ in range(MAX_DEPTH):
            level = [child for node in level for child in _children(node)]
        if level:
            raise DocumentTooComplex(f"the document is nested deeper than {MAX_DEPTH} levels") from None


def _children(node: object) -> Iterable[object]:
    """The containers directly inside a container."""
    inside: Iterable[object] = ()
    if isinstance(node, dict):
        inside = node.values()
    elif isinstance(node, list):
        inside = node
    return (child for child in inside if isinstance(child, dict | list))
