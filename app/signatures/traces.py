"""Which parts of a request must not be kept: what would let somebody else pass for its sender."""

from collections.abc import Iterator
from urllib.parse import unquote_plus

from app.signatures.presets import Preset
from app.signatures.request import Source

MARK = "[redacted]"
ALWAYS_SENSITIVE = frozenset({"access_token", "token", "hub.verify_token"})
"""Names of query parameters whose values are never kept."""


def sensitive_headers(preset: Preset) -> frozenset[str]:
    """Lower-case names of the headers in which the scheme looks for signatures, tokens and new secrets."""
    return frozenset(source.name.lower() for source in _read(preset) if source.kind == "header")


def redact_query(preset: Preset, query: str) -> str:
    """The query without the values that the scheme reads as signatures or tokens; the rest as it was."""
    if not query:
        return query
    names = ALWAYS_SENSITIVE | {source.name for source in _read(preset) if source.kind == "query"}
    return "&".join(_redacted(pair, names) for pair in query.split("&"))


def _redacted(pair: str, names: frozenset[str]) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MARK}" if equals and unquote_plus(name) in names else pair


def _read(preset: Preset) -> Iterator[Source]:
    if preset.signing is not None:
        yield from preset.signing.sources
    if preset.jwt is not None:
        yield from preset.jwt.sources
    for handshake in preset.handshakes:
        yield from (source for source in (handshake.store, handshake.verify_token) if source is not None)
