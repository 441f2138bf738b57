"""Values inside a URL's path, where one unlucky value would address another resource."""

import re
from urllib.parse import quote, unquote


def quote_value(value: str) -> str:
    """Percent-encode everything but RFC 3986's unreserved characters, so that no delimiter survives."""
    return quote(value, safe="")


def climbs(path: str) -> bool:
    """Whether a `.` or `..` segment can appear in this percent-encoded path on its way to the upstream.

    Proxies and servers disagree on how often they decode, on whether `\\` or an encoded slash separates
    segments, and on `;parameters` behind a segment; a path that climbs under any of these readings climbs.
    """
    return any(piece.partition(";")[0].strip() in {".", ".."} for piece in re.split(r"[/\\]", _decoded(path)))


def _decoded(path: str) -> str:
    while (once := unquote(path)) != path:
        path = once
    return path
