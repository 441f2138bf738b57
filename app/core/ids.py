"""Identifiers. UUIDv7 (RFC 9562, section 5.7), so that ids sort by the time they were made."""

import os
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NewType
from uuid import UUID, SafeUUID

TenantId = NewType("TenantId", UUID)
"""A tenant that was proved, by a token, a signature's route or an operator. Only ``app.auth``,
``app.ingest``, ``app.tenants`` and the worker's claim mint one."""


_AT_ONCE: Final = 256
_random: Final[deque[int]] = deque()
"""80 random bits each, from the kernel: asking it for each id takes as long as all the rest of making it."""
os.register_at_fork(after_in_child=_random.clear)


def _refill() -> int:
    """One; the others are for whoever comes next. To take one from a deque is atomic: none is used twice."""
    made = os.urandom(10 * _AT_ONCE)
    numbers = [int.from_bytes(made[place : place + 10], "big") for place in range(0, len(made), 10)]
    _random.extend(numbers[1:])
    return numbers[0]


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    try:
        random = _random.pop()
    except IndexError:
        random = _refill()
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (random >> 68) << 64
    value |= 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF
    # What UUID(int=value) does once it has looked at all its other arguments: two are made for each webhook.
    id = object.__new__(UUID)
    object.__setattr__(id, "int", value)
    object.__setattr__(id, "is_safe", SafeUUID.unknown)
    return id


def first_id(moment: datetime) -> UUID:
    """The smallest id of that millisecond: none made from then on is less."""
    milliseconds = round(moment.timestamp() * 1_000_000) // 1000
    return UUID(int=min(max(milliseconds, 0), 0xFFFF_FFFF_FFFF) << 80)


def moment_of(id: UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _moment(id.int >> 80)


@lru_cache(maxsize=16)
def _moment(milliseconds: int) -> datetime:
    """Cached, because several ids are made in one millisecond when it matters."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
