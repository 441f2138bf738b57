"""Caches that the database keeps true: a trigger announces each change of a tenant's configuration.

Until a process hears one, finds and misses are kept. While its listener is cut off, an entry is believed for
a second; without a listener nothing is kept.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.engine import URL

from app.core.ids import TenantId
from app.db.listener import Listener

K = TypeVar("K")
V = TypeVar("V")

CHANNEL: Final = "jackfield_routes"
LIVE_LIFETIME_S: Final = 60.0
BLIND_LIFETIME_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    """``tenant_id``: whose change makes it stale; None where any tenant's might."""

    expires: float
    tenant_id: TenantId | None
    value: V


class Changes:
    """What a process hears of changes, and the caches that depend on it."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self._caches: list[AnnouncedCache[Any, Any]] = []

    async def listen(self, url: URL | str) -> None:
        """Keep the caches true, until cancelled. ``url``: a direct connection, for LISTEN."""
        self.listener = Listener(url, CHANNEL, self._forget_tenant, self._forget_all)
        await self.listener.run()

    @property
    def lifetime(self) -> float:
        """Seconds that what is read now may be believed."""
        if self.listener is None:
            return 0.0
        return LIVE_LIFETIME_S if self.listener.is_live else BLIND_LIFETIME_S

    def add(self, cache: "AnnouncedCache[K, V]") -> None:
        self._caches.append(cache)

    def _forget_tenant(self, payload: str) -> None:
        for cache in self._caches:
            cache.forget_tenant(payload)

    def _forget_all(self) -> None:
        for cache in self._caches:
            cache.forget_all()


class AnnouncedCache(Generic[K, V]):
    """The ``size`` entries that were kept last."""

    def __init__(self, changes: Changes, size: int) -> None:
        self._changes = changes
        self._size = size
        self._entries: OrderedDict[K, Entry[V]] = OrderedDict()
        self.generation = 0
        """Counts what was heard. Read it before you read the database, and hand it to ``keep``."""
        changes.add(self)

    def find(self, key: K) -> Entry[V] | None:
        entry = self._entries.get(key)
        return entry if entry is not None and entry.expires > time.monotonic() else None

    def keep(self, key: K, tenant_id: TenantId | None, value: V, *, generation: int) -> None:
        """Unless something changed since: that was announced before it could be kept."""
        lifetime = self._changes.lifetime
        if not lifetime or generation != self.generation:
            return
        self._entries[key] = Entry(time.monotonic() + lifetime, tenant_id, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def forget_tenant(self, payload: str) -> None:
        """Something of this tenant changed."""
        self.generation += 1
        stale = [key for key, entry in self._entries.items() if str(entry.tenant_id or payload) == payload]
        for key in stale:
            del self._entries[key]

    def forget_all(self) -> None:
        """Announcements may have been missed."""
        self.generation += 1
        self._entries.clear()
