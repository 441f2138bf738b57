"""What a signature covers, as a template: literal text, tokens, and places in the request.

v0:{ts}:{raw}        {method}{url}{raw}        {json:/event_time}{json:/event_type}
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.signatures.request import Reading, Source, malformed, missing, parse_source
from app.signatures.verdict import Reason, Refused


class Token(StrEnum):
    """What a signed message can be made of, apart from literal text and places in the request."""

    RAW = "{raw}"
    """The bytes of the body."""
    TIMESTAMP = "{ts}"
    ID = "{id}"
    URL = "{url}"
    """The full address, as the sender called it."""
    METHOD = "{method}"
    URL_WITH_PORT = "{url_with_port}"
    URL_WITHOUT_PORT = "{url_without_port}"
    URL_UNESCAPED = "{url_unescaped}"
    """The address, with the escapes undone that a query does not need."""
    URL_SORTED = "{url_sorted}"
    """The address, with the parameters of its query sorted, ready for a sorted form to follow."""
    PATH = "{path}"
    """Path and query of the address."""
    FORM_SORTED = "{form_sorted}"
    """Each name and its value, sorted, nothing between them."""
    BODY_SHA256 = "{body_sha256}"
    """Hex digest of the body."""
    CRC32 = "{crc32}"
    """CRC-32 of the body, decimal."""
    SIGNED_HEADERS = "{signed_headers}"
    """``name:value`` of the headers that ``signed_headers`` lists, separated by semicolons."""
    SECRET = "{secret}"
    """The secret itself, for digests that are no MACs."""


URL_TOKENS = frozenset(
    {
        *(Token.URL, Token.URL_WITH_PORT, Token.URL_WITHOUT_PORT, Token.URL_UNESCAPED, Token.URL_SORTED),
        Token.PATH,
    }
)
BODY_TOKENS = frozenset({Token.RAW, Token.FORM_SORTED, Token.BODY_SHA256, Token.CRC32})


@dataclass(frozen=True, slots=True)
class Mac:
    """The scheme's own MAC over what stands there, made with the current secret: to answer challenges."""

    of: Source


Part = Token | Source | Mac | bytes
"""Bytes are literal text, in UTF-8."""
Template = tuple[Part, ...]

MAX_SIGNED_HEADERS = 32

_RAW, _TIMESTAMP, _ID = Token.RAW, Token.TIMESTAMP, Token.ID
"""Looked up once: nearly every message is made of them, and a member of an enum is slow to get."""

_PRESETS_ONLY = frozenset({Token.SECRET, Token.SIGNED_HEADERS})
_UNNEEDED_ESCAPES = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(slots=True)
class Particulars:
    """What a message takes from elsewhere than the request. Not frozen: one is made for each request."""

    timestamp: str = ""
    id: str = ""
    signed_headers: Source | None = None
    is_digest_sent: bool = False
    """Whether the request vouches for its body elsewhere in what is signed: then a form need not be read."""


def parse_message(template: str) -> tuple[Token | bytes, ...]:
    """A handler's `v0:{ts}:{raw}` as its tokens and literals, in order; ValueError for any other brace."""
    parts = tuple(_token_or_text(part) for part in _split(template))
    if _PRESETS_ONLY & set(parts):
        raise _no_message()
    return parts


def parse_template(template: str, parameters: Mapping[str, object] | None = None) -> Template:
    """A preset's: in addition to tokens it names places, `{mac:PLACE}` and the handler's `{param:NAME}`."""
    return tuple(_part(part, parameters or {}) for part in _split(template))


def render(template: Template, reading: Reading, particulars: Particulars, secret: bytes = b"") -> bytes:
    """The bytes that were signed. Raises ``Refused`` when the request lacks what they are made of."""
    pieces: list[bytes] = []
    for part in template:
        if type(part) is bytes:
            pieces.append(part)
        elif part is _RAW:
            pieces.append(reading.request.body)
        elif part is _TIMESTAMP:
            pieces.append(particulars.timestamp.encode("latin-1", "replace"))
        elif part is _ID:
            pieces.append(particulars.id.encode("latin-1", "replace"))
        else:
            pieces.append(_bytes_of(part, reading, particulars, secret))
    return b"".join(pieces)


def listed_headers(reading: Reading, source: Source) -> Sequence[str]:
    """Lower-case names of the headers that the request lists as signed. Raises ``Refused``."""
    names = [name.strip().lower() for name in reading.only([source]).split(",")]
    if len(names) > MAX_SIGNED_HEADERS:
        raise malformed(source, f"lists more than {MAX_SIGNED_HEADERS} names")
    return names


def _split(template: str) -> Sequence[str]:
    return [part for part in re.split(r"(\{[^{}]*\})", template) if part]


def _token_or_text(part: str) -> Token | bytes:
    if not {"{", "}"} & set(part):
        return part.encode()
    try:
        return Token(part)
    except ValueError:
        raise _no_message() from None


def _no_message() -> ValueError:
    known = ", ".join(token for token in Token if token not in _PRESETS_ONLY)
    return ValueError(f"message must consist of text and {known}")


def _part(part: str, parameters: Mapping[str, object]) -> Part:
    kind, _, rest = part[1:-1].partition(":")
    if not part.startswith("{") or not rest:
        return _token_or_text(part)
    if kind == "param":
        return str(parameters.get(rest, "")).encode()
    return Mac(parse_source(rest)) if kind == "mac" else parse_source(part[1:-1])


def _bytes_of(part: Part, reading: Reading, particulars: Particulars, secret: bytes) -> bytes:
    if part is Token.SECRET:
        return secret
    if isinstance(part, Token):
        return _MAKERS[part](reading, particulars).encode("utf-8", "surrogatepass")
    if isinstance(part, Source):
        return _value_at(part, reading)
    return b""


def _value_at(source: Source, reading: Reading) -> bytes:
    """A value of a JSON body may be absent: senders sign nothing in its place. A header or field may not."""
    if source.kind == "json":
        return (reading.find(source) or "").encode("utf-8", "surrogatepass")
    return reading.only([source]).encode("latin-1" if source.kind == "header" else "utf-8", "surrogatepass")


def _url(reading: Reading, _: Particulars) -> str:
    return reading.request.url


def _method(reading: Reading, _: Particulars) -> str:
    return reading.request.method


def _url_with_port(reading: Reading, _: Particulars) -> str:
    parts = reading.url
    if parts.port or not parts.hostname:
        return reading.request.url
    return parts._replace(netloc=f"{parts.netloc}:{_DEFAULT_PORTS.get(parts.scheme, 443)}").geturl()


def _url_without_port(reading: Reading, _: Particulars) -> str:
    parts = reading.url
    return parts._replace(netloc=parts.netloc.removesuffix(f":{parts.port}")).geturl()


def _url_unescaped(reading: Reading, _: Particulars) -> str:
    return _UNNEEDED_ESCAPES.sub(lambda match: chr(int(match[1], 16)), reading.request.url)


def _url_sorted(reading: Reading, _: Particulars) -> str:
    parts = reading.url
    pairs = sorted(reading.query)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    has_form = bool(reading.form)
    bare = parts._replace(query="", fragment="").geturl()
    return f"{bare}{'?' if query or has_form else ''}{query}{'.' if query and has_form else ''}"


def _path(reading: Reading, _: Particulars) -> str:
    parts = reading.url
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _form_sorted(reading: Reading, particulars: Particulars) -> str:
    if particulars.is_digest_sent:
        return ""
    if reading.form is None:
        if reading.request.body:
            raise Refused(Reason.MALFORMED, "The body is no form, and nothing else vouches for it.")
        return ""
    return "".join(f"{name}{value}" for name, value in sorted(set(reading.form)))


def _body_sha256(reading: Reading, _: Particulars) -> str:
    return hashlib.sha256(reading.request.body).hexdigest()


def _crc32(reading: Reading, _: Particulars) -> str:
    return str(zlib.crc32(reading.request.body))


def _signed_headers(reading: Reading, particulars: Particulars) -> str:
    if particulars.signed_headers is None:
        return ""
    names = listed_headers(reading, particulars.signed_headers)
    return ";".join(f"{name}:{_header(reading, name)}" for name in names)


def _header(reading: Reading, name: str) -> str:
    try:
        source = parse_source(f"header:{name}")
    except ValueError:
        raise Refused(Reason.MALFORMED, "The list of signed headers has an empty name.") from None
    values = reading.values(source)
    if not values:
        raise missing([source])
    if len(values) > 1:
        raise malformed(source, "was sent more than once")
    return values[0].strip()


_MAKERS: Mapping[Token, Callable[[Reading, Particulars], str]] = {
    Token.URL: _url,
    Token.METHOD: _method,
    Token.URL_WITH_PORT: _url_with_port,
    Token.URL_WITHOUT_PORT: _url_without_port,
    Token.URL_UNESCAPED: _url_unescaped,
    Token.URL_SORTED: _url_sorted,
    Token.PATH: _path,
    Token.FORM_SORTED: _form_sorted,
    Token.BODY_SHA256: _body_sha256,
    Token.CRC32: _crc32,
    Token.SIGNED_HEADERS: _signed_headers,
}
