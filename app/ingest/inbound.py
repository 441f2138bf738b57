"""A webhook as it came, and what is answered to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from app.executions.redaction import MARK
from app.handlers.targets import is_json
from app.signatures.request import Headers, SignedRequest


@dataclass(slots=True, kw_only=True)
class Inbound:
    """``headers``: raw pairs, names in lower case; ``url``: as its sender signed it; ``token``: a bearer's.

    Not frozen, as nothing that is made once per webhook is: that would cost three times as much to make.
    """

    method: str
    url: str = field(repr=False)
    query: str = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    prefer: bytes | None = None
    peer: str | None = None
    request_id: str | None = None
    token: str | None = field(default=None, repr=False)
    trace_parent: str | None = None

    def signed(self) -> SignedRequest:
        return SignedRequest(self.method, self.url, self.headers, self.body)

    def is_broken_json(self) -> bool:
        """Whether the body is not the JSON that it says it is, or that one without a type is taken for."""
        content_type = next((value for name, value in self.headers if name == b"content-type"), b"")
        return _is_broken_json(content_type.decode("latin-1"), self.body)

    def kept_headers(self, sensitive: frozenset[str]) -> list[tuple[str, str]]:
        """The headers as they may be stored: signatures, tokens and cookies redacted."""
        return [
            (name := raw.decode("latin-1"), MARK if name in sensitive else value.decode("latin-1"))
            for raw, value in self.headers
        ]


@dataclass(slots=True, kw_only=True)
class PlainInbound:
    """A POST in which no header came twice and all is ASCII. ``fields``: its headers, names in lower case;
    ``id``: of the execution that it may become."""

    id: UUID
    url: str = field(repr=False)
    query: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    peer: str | None
    request_id: str
    trace_parent: str | None

    def signed(self) -> SignedRequest:
        headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in self.fields.items()]
        return SignedRequest("POST", self.url, headers, self.body)

    def is_broken_json(self) -> bool:
        """As that of ``Inbound``."""
        return _is_broken_json(self.fields.get("content-type", ""), self.body)

    def kept_headers(self, sensitive: frozenset[str]) -> list[tuple[str, str]]:
        """As those of ``Inbound``."""
        return [(name, MARK if name in sensitive else value) for name, value in self.fields.items()]


@dataclass(slots=True)
class Reply:
    """``body``: bytes as they are, anything else as JSON."""

    status: int
    body: bytes | Mapping[str, object] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def _is_broken_json(content_type: str, body: bytes) -> bool:
    if not body or (content_type and not is_json(content_type)):
        return False
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return True
    return False
