"""Which request headers a caller may set."""

import re
from collections.abc import Iterable
from functools import lru_cache

from app.core.egress.errors import ForbiddenHeader

USER_AGENT = "jackfield"

# What frames the message or steers the connection (RFC 9110, sections 7.2, 7.6.1 and 10.1.1) is the
# client's to write: a second opinion about it is how requests are smuggled.
CONNECTION_HEADERS = frozenset(
    {"connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]*")


def check_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Refuse headers of the connection, and names or values that would not stay one header line."""
    for name, value in headers:
        _check_name(name)
        if not _VALUE.fullmatch(value):
            raise ForbiddenHeader(f"The value of the header {name} holds a control character.")


@lru_cache(maxsize=1024)
def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ForbiddenHeader("A header name holds characters that are not allowed in one.")
    if name.lower() in CONNECTION_HEADERS:
        raise ForbiddenHeader(f"The header {name} is set by the connection.")
