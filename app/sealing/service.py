"""Seals and opens the values of one tenant, inside the caller's transaction."""

import time
from collections import OrderedDict
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import CannotOpen, DataKey, MasterKeys, Place, key_id_of, new_key
from app.core.ids import TenantId, new_id
from app.core.secret import Secret
from app.models import TenantKey
from app.sealing.errors import KeyUnavailable
from app.sealing.repository import TenantKeyRepository

CACHE_LIFETIME_S: Final = 300.0
CACHE_SIZE: Final = 10_000


class KeyCache:
    """Opened data keys, for five minutes each: a tenant's key is unwrapped once, not once per value."""

    def __init__(self, master: MasterKeys) -> None:
        self.master = master
        self._keys: OrderedDict[tuple[TenantId, UUID | None], tuple[float, DataKey]] = OrderedDict()

    def find(self, tenant_id: TenantId, key_id: UUID | None) -> DataKey | None:
        """The key of that id, or the active one for None."""
        entry = self._keys.get((tenant_id, key_id))
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    def open(self, row: TenantKey, *, is_active: bool) -> DataKey:
        try:
            material = self.master.unwrap(row.master_key_id, row.wrapped, _purpose(row.tenant_id, row.id))
        except CannotOpen as error:
            raise KeyUnavailable from error
        key = DataKey(row.id, material)
        for name in {row.id, None} if is_active else {row.id}:
            self._keys[row.tenant_id, name] = (time.monotonic() + CACHE_LIFETIME_S, key)
        while len(self._keys) > CACHE_SIZE:
            self._keys.popitem(last=False)
        return key

    def make(self, tenant_id: TenantId, generation: int) -> TenantKey:
        """A fresh key, wrapped, as the row to store."""
        id = new_id()
        master_key_id, wrapped = self.master.wrap(new_key(), _purpose(tenant_id, id))
        return TenantKey(id=id, generation=generation, master_key_id=master_key_id, wrapped=wrapped)

    def forget(self, tenant_id: TenantId) -> None:
        """Drop a tenant's keys, as when the tenant is deleted."""
        for entry in [entry for entry in self._keys if entry[0] == tenant_id]:
            del self._keys[entry]


class Sealer:
    """Every sealed value is bound to its cell: tenant, table, column and row."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId, cache: KeyCache) -> None:
        self._keys = TenantKeyRepository(session, tenant_id)
        self._tenant_id = tenant_id
        self._cache = cache

    async def create_key(self) -> None:
        """Make the tenant's next data key the active one. A new tenant needs one before it seals."""
        generation = await self._keys.last_generation() + 1
        await self._keys.add(self._cache.make(self._tenant_id, generation))

    async def seal(self, plaintext: Secret, table: str, row_id: UUID) -> bytes:
        """The envelope for column ``sealed`` of that row. Raises ``KeyUnavailable``."""
        key = self._cache.find(self._tenant_id, None)
        if key is None:
            row = await self._keys.find_active()
            if row is None:
                raise KeyUnavailable
            key = self._cache.open(row, is_active=True)
        return key.seal(plaintext.reveal().encode(), self._place(table, row_id))

    async def open(self, sealed: bytes, table: str, row_id: UUID) -> Secret:
        """The plaintext. Raises ``KeyUnavailable``, also for a value that was moved or changed."""
        try:
            key_id = key_id_of(sealed)
            key = self._cache.find(self._tenant_id, key_id)
            if key is None:
                row = await self._keys.find(key_id)
                if row is None:
                    raise KeyUnavailable
                key = self._cache.open(row, is_active=False)
            return Secret(key.open(sealed, self._place(table, row_id)).decode())
        except CannotOpen as error:
            raise KeyUnavailable from error

    def _place(self, table: str, row_id: UUID) -> Place:
        return Place(self._tenant_id, table, "sealed", row_id)


def _purpose(tenant_id: UUID, key_id: UUID) -> str:
    return f"tenant key {tenant_id} {key_id}"
