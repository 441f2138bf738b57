"""`{{namespace.path}}` in text that a tenant wrote into a handler: no logic, no filters, no evaluation.

Only a handler's own definition is ever parsed here. A value is put in once and is not looked at again, so a
webhook whose body says `{{secrets.KEY}}` carries exactly these characters to the upstream.

    MalformedTemplate      the text is not a template (also a ValueError, so that a schema reports its field)
    UnknownReference       the reference names nothing
    UnsafeValue            the value may not stand where the template puts it
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import orjson

from app.core.errors import Unprocessable
from app.core.secret import Secret
from app.core.url_path import climbs, quote_value

_PLACEHOLDER = re.compile(r"\{\{\s*([a-z]+)\.([^\s{}]+)\s*\}\}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\#]")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_SCHEME = re.compile(r"https?://")
_SLASH = re.compile(r"[/?#]")
_QUOTED = 80

# A handler's texts are the same at each of its calls. The bounds are what they may take of memory.
_REMEMBERED: Final = 4096
_REMEMBERED_LENGTH: Final = 512


class MalformedTemplate(Unprocessable, ValueError):
    """The text is not a valid template."""


class UnknownReference(Unprocessable):
    """A template refers to a value that does not exist."""


class UnsafeValue(Unprocessable):
    """A value may not stand where the template puts it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A namespace and a path into it. Keys may contain dots: a whole key is found before a path is walked."""

    namespace: str
    path: str

    def __str__(self) -> str:
        return f"{{{{{self.namespace}.{self.path}}}}}"


Template = tuple[str | Reference, ...]
"""Literal text and references, in order, neither empty nor adjacent literals."""


def parse(text: str, namespaces: Collection[str]) -> Template:
    """Raise MalformedTemplate where `{{` opens no reference into one of the namespaces."""
    template = scan(text, namespaces)
    for part in template:
        if isinstance(part, str) and (start := part.find("{{")) >= 0:
            known = ", ".join(sorted(namespaces))
            raise MalformedTemplate(f"`{part[start : start + _QUOTED]}` refers to none of: {known}.")
    return template


def scan(text: str, namespaces: Collection[str]) -> Template:
    """Like ``parse``, but whatever is no reference into the namespaces is literal text.

    For values that may hold another system's templates (`Hello {{first_name}}`) beside our own.
    """
    parts: list[str | Reference] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if match[1] in namespaces:
            parts += [text[end : match.start()], Reference(match[1], match[2])]
            end = match.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part)


def check_header(text: str, namespaces: Collection[str]) -> None:
    """Raise MalformedTemplate unless the text can be a header's value (RFC 9110, section 5.5)."""
    if _CONTROL.search(text):
        raise MalformedTemplate("A header value must not contain control characters.")
    parse(text, namespaces)


def check_url(text: str, namespaces: Collection[str], *, origin: Collection[str]) -> None:
    """Raise MalformedTemplate unless the text is an http(s) URL, or a path that starts with `/`.

    Only the namespaces in `origin` may be used before the path: whoever chooses the host receives the
    credentials.
    """
    template = parse(text, namespaces)
    head, _ = _split(template)
    if any(_NOT_IN_URL.search(part) for part in template if isinstance(part, str)):
        raise MalformedTemplate("A URL must not contain spaces, control characters, `\\` or `#`.")
    for part in head:
        if isinstance(part, Reference) and part.namespace not in origin:
            raise MalformedTemplate(f"`{part}` must not decide which host is called.")
    if any("@" in part for part in head if isinstance(part, str)):
        raise MalformedTemplate("A URL must not contain a user name or password.")
    fixed = head[0] if head and isinstance(head[0], str) else ""
    if not (text.startswith(("/", "{{")) or _SCHEME.match(fixed)) or (
        head == (fixed,) and not _is_absolute(fixed)
    ):
        raise MalformedTemplate("A URL must start with `http://` or `https://` and a host, or with `/`.")


class Renderer:
    """Puts values into templates and remembers each Secret that it revealed.

    `namespaces` is what references can name: `{"args": {...}, "secrets": {"KEY": Secret(...)}}`.
    """

    def __init__(self, namespaces: Mapping[str, Mapping[str, object]]) -> None:
        self._namespaces = namespaces
        self._names = frozenset(namespaces)
        self.revealed: list[Secret] = []

    def text(self, text: str) -> str:
        """Strings as they are, null as nothing, anything else as JSON."""
        return "".join(part if isinstance(part, str) else self._text(part) for part in self._parse(text))

    def value(self, text: str, *, lenient: bool = False) -> object:
        """A single reference keeps the JSON type of its value; mixed with text it becomes text.

        With `lenient`, text that refers to none of the namespaces stays as it is.
        """
        template = self._scan(text) if lenient else self._parse(text)
        if len(template) == 1 and isinstance(template[0], Reference):
            return self._lookup(template[0])
        return "".join(part if isinstance(part, str) else self._text(part) for part in template)

    def json(self, value: object, *, lenient: bool = False) -> object:
        """Every string inside the value rendered; the keys of objects are not templates."""
        if isinstance(value, str):
            return self.value(value, lenient=lenient)
        if isinstance(value, Mapping):
            return {key: self.json(item, lenient=lenient) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item, lenient=lenient) for item in value]
        return value

    def header(self, text: str) -> str:
        rendered = []
        for part in self._parse(text):
            value = part if isinstance(part, str) else self._text(part)
            if _CONTROL.search(value):
                raise UnsafeValue(f"The value of `{part}` has control characters and cannot be a header.")
            rendered.append(value)
        return "".join(rendered)

    def url(self, text: str) -> str:
        """Percent-encode each value of path and query; the result has a host, or starts with `/`."""
        if len(text) > _REMEMBERED_LENGTH:
            return self._url(*_split(self._parse(text)))
        return (
            _fixed_url(text) if _is_fixed(text, self._names) else self._url(*_parsed_url(text, self._names))
        )

    def _url(self, head: Template, tail: Template) -> str:
        url = self._origin(head)
        in_query = "?" in url
        for part in tail:
            if isinstance(part, str):
                in_query = in_query or "?" in part
                url += part
            else:
                url += quote_value(self._text(part)) if in_query else self._segment(part)
        _check_path(url)
        return url

    def _parse(self, text: str) -> Template:
        return _parsed(text, self._names) if len(text) <= _REMEMBERED_LENGTH else parse(text, self._names)

    def _scan(self, text: str) -> Template:
        return _scanned(text, self._names) if len(text) <= _REMEMBERED_LENGTH else scan(text, self._names)

    def _origin(self, head: Template) -> str:
        origin = ""
        for part in head:
            value = part if isinstance(part, str) else self._text(part)
            if isinstance(part, Reference) and origin and not _HOST.fullmatch(value):
                raise UnsafeValue(f"The value of `{part}` cannot be a part of a host name.")
            origin += value
        if head:
            _check_origin(origin)
        return origin

    def _segment(self, reference: Reference) -> str:
        value = self._lookup(reference)
        if value is None or value == "" or isinstance(value, Mapping | list):
            raise UnsafeValue(f"`{reference}` must be a non-empty text, number or boolean in a path.")
        return quote_value(_plain(value, reference))

    def _text(self, reference: Reference) -> str:
        return _plain(self._lookup(reference), reference)

    def _lookup(self, reference: Reference) -> object:
        value: object = self._namespaces[reference.namespace]
        if isinstance(value, Mapping) and reference.path in value:
            value = value[reference.path]
        else:
            for key in reference.path.split("."):
                value = _member(value, key, reference)
        if isinstance(value, Secret):
            self.revealed.append(value)
            return value.reveal()
        return value


def _member(value: object, key: str, reference: Reference) -> object:
    if isinstance(value, Mapping) and key in value:
        member: object = value[key]
        return member
    if isinstance(value, list) and re.fullmatch(r"[0-9]{1,6}", key) and int(key) < len(value):
        item: object = value[int(key)]
        return item
    raise UnknownReference(f"`{reference}` names nothing.")


def _plain(value: object, reference: Reference) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise UnsafeValue(f"The value of `{reference}` cannot be written as JSON.") from error


def _split(template: Template) -> tuple[Template, Template]:
    """The parts before the first `/`, `?` or `#` behind the scheme, and those from there on."""
    for index, part in enumerate(template):
        if isinstance(part, Reference):
            continue
        scheme = _SCHEME.match(part) if index == 0 else None
        if match := _SLASH.search(part, scheme.end() if scheme else 0):
            head, tail = part[: match.start()], part[match.start() :]
            return (*template[:index], *([head] if head else [])), (tail, *template[index + 1 :])
    return template, ()


@lru_cache(_REMEMBERED)
def _parsed(text: str, namespaces: frozenset[str]) -> Template:
    return parse(text, namespaces)


@lru_cache(_REMEMBERED)
def _scanned(text: str, namespaces: frozenset[str]) -> Template:
    return scan(text, namespaces)


@lru_cache(_REMEMBERED)
def _parsed_url(text: str, namespaces: frozenset[str]) -> tuple[Template, Template]:
    return _split(parse(text, namespaces))


@lru_cache(_REMEMBERED)
def _is_fixed(text: str, namespaces: frozenset[str]) -> bool:
    return not any(isinstance(part, Reference) for part in parse(text, namespaces))


@lru_cache(_REMEMBERED)
def _fixed_url(text: str) -> str:
    """A URL without references, judged once."""
    head, _ = _split((text,))
    if head:
        _check_origin("".join(map(str, head)))
    _check_path(text)
    return text


def _check_origin(origin: str) -> None:
    if not _is_absolute(origin):
        raise UnsafeValue("The URL does not start with `http://` or `https://` and a host.")


def _check_path(url: str) -> None:
    if climbs(url.removeprefix("https://").removeprefix("http://").partition("?")[0]):
        raise UnsafeValue("The path of the URL contains a `.` or `..` segment.")


def _is_absolute(url: str) -> bool:
    if _NOT_IN_URL.search(url) or not _SCHEME.match(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        return False
