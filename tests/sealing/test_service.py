from uuid import uuid4

import pytest
from sqlalchemy import select, update

from app.core.crypto import MasterKey, MasterKeys, key_id_of, new_key
from app.core.ids import TenantId
from app.core.secret import Secret
from app.models import Tenant, TenantKey
from app.sealing import service
from app.sealing.errors import KeyUnavailable
from app.sealing.service import KeyCache, Sealer

pytestmark = pytest.mark.anyio

ROW = uuid4()
VALUE = Secret("välue")


@pytest.fixture
def master():
    return MasterKeys(MasterKey(new_key()))


@pytest.fixture
def cache(master):
    return KeyCache(master)


@pytest.fixture
async def tenant_id(database, cache):
    return await add_tenant(database, cache, "acme")


async def add_tenant(database, cache, slug):
    tenant = Tenant(id=uuid4(), slug=slug, name=slug)
    tenant_id = TenantId(tenant.id)
    async with database.transaction(tenant_id) as session:
        session.add(tenant)
        await session.flush()
        await Sealer(session, tenant_id, cache).create_key()
    return tenant_id


async def seal(database, tenant_id, cache):
    async with database.transaction(tenant_id) as session:
        return await Sealer(session, tenant_id, cache).seal(VALUE, "secrets", ROW)


async def unseal(database, tenant_id, cache, sealed, *, table="secrets", row_id=ROW):
    async with database.transaction(tenant_id) as session:
        return await Sealer(session, tenant_id, cache).open(sealed, table, row_id)


class TestSealer:
    async def test_opens_what_it_sealed(self, database, tenant_id, cache):
        sealed = await seal(database, tenant_id, cache)

        assert await unseal(database, tenant_id, cache, sealed) == VALUE

    async def test_opens_it_in_another_process(self, database, tenant_id, cache, master):
        sealed = await seal(database, tenant_id, cache)

        assert await unseal(database, tenant_id, KeyCache(master), sealed) == VALUE

    @pytest.mark.parametrize("place", [{"table": "credentials"}, {"row_id": uuid4()}], ids=["table", "row"])
    async def test_opens_nothing_in_another_cell(self, database, tenant_id, cache, place):
        sealed = await seal(database, tenant_id, cache)

        with pytest.raises(KeyUnavailable):
            await unseal(database, tenant_id, cache, sealed, **place)

    async def test_opens_nothing_of_another_tenant(self, database, tenant_id, cache):
        sealed = await seal(database, tenant_id, cache)
        other = await add_tenant(database, cache, "globex")

        with pytest.raises(KeyUnavailable):
            await unseal(database, other, cache, sealed)

    @pytest.mark.parametrize("sealed", [b"", b"plaintext", b"\x01\x01" + bytes(90)])
    async def test_opens_nothing_that_is_no_envelope(self, database, tenant_id, cache, sealed):
        with pytest.raises(KeyUnavailable):
            await unseal(database, tenant_id, cache, sealed)

    async def test_opens_nothing_with_another_master_key(self, database, tenant_id, cache):
        sealed = await seal(database, tenant_id, cache)
        stranger = KeyCache(MasterKeys(MasterKey(new_key())))

        with pytest.raises(KeyUnavailable):
            await unseal(database, tenant_id, stranger, sealed)
        with pytest.raises(KeyUnavailable):
            await seal(database, tenant_id, stranger)

    async def test_needs_a_key_to_seal(self, database, cache):
        tenant = Tenant(id=uuid4(), slug="keyless", name="keyless")
        async with database.transaction(TenantId(tenant.id)) as session:
            session.add(tenant)

        with pytest.raises(KeyUnavailable):
            await seal(database, TenantId(tenant.id), cache)


class TestCreateKey:
    async def test_makes_the_next_generation_the_active_one(self, database, tenant_id, cache, master):
        old = await seal(database, tenant_id, cache)
        async with database.transaction(tenant_id) as session:
            await Sealer(session, tenant_id, cache).create_key()
        fresh = KeyCache(master)
        new = await seal(database, tenant_id, fresh)

        assert key_id_of(new) != key_id_of(old)
        for sealed in (old, new):
            assert await unseal(database, tenant_id, fresh, sealed) == VALUE
            assert await unseal(database, tenant_id, cache, sealed) == VALUE

    async def test_stores_it_wrapped_for_this_tenant_alone(self, database, tenant_id, cache, master):
        sealed = await seal(database, tenant_id, cache)
        other = await add_tenant(database, cache, "globex")
        async with database.transaction(tenant_id) as session:
            wrapped = await session.scalar(select(TenantKey.wrapped).where(TenantKey.id == key_id_of(sealed)))
        async with database.transaction(other) as session:
            await session.execute(
                update(TenantKey).where(TenantKey.tenant_id == other).values(wrapped=wrapped)
            )

        with pytest.raises(KeyUnavailable):
            await seal(database, other, KeyCache(master))


class TestKeyCache:
    async def test_asks_the_database_once(self, database, tenant_id, cache):
        sealed = await seal(database, tenant_id, cache)

        assert cache.find(tenant_id, None).id == key_id_of(sealed)
        assert cache.find(tenant_id, key_id_of(sealed)) is not None

    async def test_does_not_take_a_former_key_for_the_active_one(self, database, tenant_id, cache, master):
        sealed = await seal(database, tenant_id, cache)
        fresh = KeyCache(master)
        await unseal(database, tenant_id, fresh, sealed)

        assert fresh.find(tenant_id, key_id_of(sealed)) is not None
        assert fresh.find(tenant_id, None) is None

    async def test_forgets_after_five_minutes(self, database, tenant_id, cache, monkeypatch):
        await seal(database, tenant_id, cache)
        opened = service.time.monotonic()
        monkeypatch.setattr(service.time, "monotonic", lambda: opened + 301)

        assert cache.find(tenant_id, None) is None

    async def test_forgets_a_tenant_and_keeps_the_others(self, database, tenant_id, cache):
        other = await add_tenant(database, cache, "globex")
        for id in (tenant_id, other):
            await seal(database, id, cache)
        cache.forget(tenant_id)

        assert cache.find(tenant_id, None) is None
        assert cache.find(other, None) is not None

    async def test_keeps_a_bounded_number(self, database, tenant_id, cache, monkeypatch):
        monkeypatch.setattr(service, "CACHE_SIZE", 2)
        await seal(database, tenant_id, cache)
        other = await add_tenant(database, cache, "globex")
        await seal(database, other, cache)

        assert cache.find(tenant_id, None) is None
        assert cache.find(other, None) is not None
