"""Keyset pagination: where a page ends, as an opaque, signed cursor bound to the tenant and the question."""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Generic, TypeVar
from uuid import UUID

from app.core.errors import Fault, Unprocessable

T = TypeVar("T")
Place = tuple[object, UUID]
"""Where a page ended: the value that the list is sorted by, and the row's id."""

CURSOR_LIFETIME_S: Final = 24 * 3600
_MAC_SIZE: Final = 16
_READ: Final[Mapping[str, Callable[[str], object]]] = {"t": datetime.fromisoformat, "u": UUID}


class CursorNotValid(Unprocessable):
    """The cursor is stale, forged or belongs to another list. Start again without it."""


class SortNotKnown(Unprocessable):
    """The list cannot be sorted by that."""


@dataclass(frozen=True, slots=True)
class Order:
    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class PageRequest:
    limit: int
    order: Order
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page, and where it ended when there is more."""

    rows: Sequence[T]
    last: Place | None


def parse_order(text: str, allowed: Mapping[str, str]) -> Order:
    """``name`` or ``-createdAt``; ``allowed`` maps wire names to columns. Raises ``SortNotKnown``."""
    column = allowed.get(text.removeprefix("-"))
    if column is None:
        names = ", ".join(sorted(allowed))
        raise SortNotKnown(errors=[Fault("/query/sort", f"one of {names}, with a leading - for descending")])
    return Order(column, text.startswith("-"))


class CursorSigner:
    """Makes and reads cursors. ``scope`` names tenant, path, sort and filters: one cursor, one list."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, place: Place, scope: str) -> str:
        value, id = place
        kind = "t" if isinstance(value, datetime) else "u" if isinstance(value, UUID) else "s"
        shown = value.isoformat() if isinstance(value, datetime) else value if kind == "s" else str(value)
        body = json.dumps([int(time.time()), kind, shown, str(id)], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(body, scope) + body).decode().rstrip("=")

    def decode(self, cursor: str, scope: str) -> Place:
        """Raises ``CursorNotValid``."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _not_valid() from None
        mac, body = raw[:_MAC_SIZE], raw[_MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(body, scope)):
            raise _not_valid()
        issued, kind, value, id = json.loads(body)
        if time.time() - issued > CURSOR_LIFETIME_S:
            raise _not_valid()
        read = _READ.get(kind)
        return value if read is None else read(value), UUID(id)

    def _mac(self, body: bytes, scope: str) -> bytes:
        return hmac.digest(self._key, scope.encode() + b"\0" + body, sha256)[:_MAC_SIZE]


def _not_valid() -> CursorNotValid:
    return CursorNotValid(errors=[Fault("/query/cursor", "not a cursor of this list")])
