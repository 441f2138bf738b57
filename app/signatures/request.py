"""A request as it was sent, and the places in it that a scheme can name.

header:NAME           one header; twice the same name is ambiguous and refused
query:NAME            a parameter of the address
form:NAME[/POINTER]   a field of a form, or what a JSON Pointer (RFC 6901) finds in its text
json:/POINTER         a value of the JSON body; ``*`` stands for every element of an array
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

import orjson

from app.signatures.forms import read_form
from app.signatures.verdict import Reason, Refused

Headers = Sequence[tuple[bytes, bytes]]
"""As ASGI hands them over: names in any case, repeated where they were sent repeatedly."""

MAX_VALUE_BYTES = 8192
MAX_VALUES = 16
MAX_PARAMETERS = 1000

SourceKind = Literal["header", "query", "form", "json"]


@dataclass(slots=True)
class SignedRequest:
    """`url` is the address the sender called: public host, path and query, as it signed it.

    Not frozen: one is made for each webhook, and that would cost three times as much.
    """

    method: str
    url: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """`pointer` leads from the JSON body, or from the JSON text of the form field ``name``."""

    kind: SourceKind
    name: str
    pointer: tuple[str, ...] = ()
    wire_name: bytes = b""
    """A header's name in the form in which it is compared."""

    def __str__(self) -> str:
        path = "".join(f"/{token}" for token in self.pointer)
        return {
            "header": f"the header {self.name}",
            "query": f"the query parameter {self.name}",
            "form": f"the form field {self.name}{path}",
            "json": f"{path} of the JSON body",
        }[self.kind]

    @property
    def is_every(self) -> bool:
        """Whether it names several values, of which each has to be right."""
        return "*" in self.pointer


def parse_source(text: str) -> Source:
    """ValueError when it is none of the four forms."""
    kind, _, rest = text.partition(":")
    if kind == "json" and rest.startswith("/"):
        return Source("json", "", _tokens(rest))
    name, slash, path = rest.partition("/")
    if kind == "form" and name:
        return Source("form", name, _tokens(slash + path) if slash else ())
    if kind == "header" and rest:
        return Source("header", rest, wire_name=rest.lower().encode("latin-1"))
    if kind == "query" and rest:
        return Source("query", rest)
    raise ValueError(f"{text} names no place in a request")


class Reading:
    """One request while it is looked at: what has to be parsed is parsed once, and only when asked for."""

    def __init__(self, request: SignedRequest) -> None:
        self.request = request

    @cached_property
    def form(self) -> Sequence[tuple[str, str]] | None:
        """Fields in the order in which they were sent; None when the body is no form."""
        return read_form(_first(self.request.headers, b"content-type"), self.request.body)

    @cached_property
    def query(self) -> Sequence[tuple[str, str]]:
        return _pairs(self.url.query)

    @cached_property
    def url(self) -> SplitResult:
        """Raises ``Refused`` for what cannot be taken apart; ``Host`` is whatever a stranger wrote there."""
        try:
            parts = urlsplit(self.request.url)
            _ = parts.port
        except ValueError:
            raise Refused(Reason.MALFORMED, "The address cannot be read.") from None
        return parts

    @cached_property
    def json(self) -> object:
        return _json(self.request.body)

    def values(self, source: Source) -> list[str]:
        """What stands there, in order; of an ``is_every`` nothing at all if one of them is missing."""
        match source.kind:
            case "header":
                return _header_values(self.request.headers, source.wire_name)
            case "query":
                return [value for name, value in self.query if name == source.name]
            case "form":
                found = [value for name, value in self.form or () if name == source.name]
                if not source.pointer:
                    return found
                return [text for value in found for text in _at(_json(value.encode()), source.pointer)]
            case "json":
                return _at(self.json, source.pointer)

    def find(self, source: Source) -> str | None:
        """The first value there; None for an empty one, too."""
        return next(iter(self.values(source)), None) or None

    def only(self, sources: Sequence[Source]) -> str:
        """The value of the first source that is there, which has to be there once. Raises ``Refused``."""
        for source in sources:
            if values := self.values(source):
                return single(source, values)
        raise missing(sources)


def missing(sources: Sequence[Source]) -> Refused:
    names = " or ".join(map(str, sources[:3]))
    return Refused(Reason.MISSING_HEADER, f"{names[:1].upper()}{names[1:]} was not sent, or is empty.")


def malformed(source: Source, what: str) -> Refused:
    name = str(source)
    return Refused(Reason.MALFORMED, f"{name[:1].upper()}{name[1:]} {what}.")


def single(source: Source, values: Sequence[str]) -> str:
    """The one value that was found there. Raises ``Refused`` for several, an empty or an overlong one."""
    if not values[0]:
        raise missing([source])
    if len(values) > 1:
        raise malformed(source, "was sent more than once")
    if len(values[0]) > MAX_VALUE_BYTES:
        raise malformed(source, f"is longer than {MAX_VALUE_BYTES} bytes")
    return values[0]


def _header_values(headers: Headers, wanted: bytes) -> list[str]:
    # Servers hand over names in lower case: the first comparison is for speed alone.
    return [value.decode("latin-1") for name, value in headers if name == wanted or name.lower() == wanted]


def _first(headers: Headers, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == wanted), "")


def _pairs(text: str) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise Refused(Reason.MALFORMED, f"The query has more than {MAX_PARAMETERS} parameters.") from None


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _tokens(pointer: str) -> tuple[str, ...]:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _at(value: object, pointer: Sequence[str]) -> list[str]:
    """The texts and numbers a pointer leads to."""
    for position, token in enumerate(pointer):
        if token == "*" and isinstance(value, list):
            rest = pointer[position + 1 :]
            each = [_at(item, rest) for item in value[: MAX_VALUES + 1]]
            return [text for texts in each for text in texts] if all(each) else []
        value = _child(value, token)
    if isinstance(value, str):
        return [value]
    return [str(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _child(value: object, token: str) -> object:
    if isinstance(value, dict):
        return value.get(token)
    if (
        isinstance(value, list)
        and re.fullmatch(r"0|[1-9]\d{0,5}", token, re.ASCII)
        and int(token) < len(value)
    ):
        return value[int(token)]
    return None
