import asyncio

import pytest
from sqlalchemy import select, text

from app.core.crypto import MasterKey, MasterKeys, new_key
from app.db.admin import administer
from app.models import SystemKey
from app.sealing import system_keys
from app.sealing.errors import MasterKeyWrong

pytestmark = pytest.mark.anyio


@pytest.fixture
def master():
    return MasterKeys(MasterKey(new_key()))


async def open_or_create(database, master):
    async with database.transaction(None) as session:
        return await system_keys.open_or_create(session, master)


class TestOpenOrCreate:
    async def test_makes_keys_once(self, database, master):
        first = await open_or_create(database, master)
        second = await open_or_create(database, master)

        assert (first.pepper, first.cursors) == (second.pepper, second.cursors)
        assert first.pepper != first.cursors
        assert {len(first.pepper), len(first.cursors)} == {32}

    async def test_stores_them_wrapped(self, database, master):
        keys = await open_or_create(database, master)

        async with database.transaction(None) as session:
            for row in await session.scalars(select(SystemKey)):
                assert row.master_key_id == master.active.id
                assert keys.pepper not in row.wrapped
                assert keys.cursors not in row.wrapped

    async def test_shows_none_of_them(self, database, master):
        keys = await open_or_create(database, master)

        assert repr(keys.pepper) not in repr(keys)

    async def test_opens_with_a_former_master_key(self, database, master):
        first = await open_or_create(database, master)
        changed = MasterKeys(MasterKey(new_key()), [master.active])

        assert (await open_or_create(database, changed)).pepper == first.pepper

    async def test_names_both_keys_when_the_master_key_is_another(self, database, master):
        await open_or_create(database, master)
        other = MasterKeys(MasterKey(new_key()))
        with pytest.raises(MasterKeyWrong) as refusal:
            await open_or_create(database, other)

        assert master.active.id in str(refusal.value)
        assert other.active.id in str(refusal.value)
        assert refusal.value.exit_code == 78

    @pytest.mark.parametrize("wrapped", [b"", b"short", bytes(60)])
    async def test_refuses_a_row_that_was_changed(self, committed, committed_urls, master, wrapped):
        await open_or_create(committed, master)
        async with administer(committed_urls.admin) as connection, connection.begin():
            await connection.execute(text("UPDATE system_keys SET wrapped = :w"), {"w": wrapped})

        with pytest.raises(MasterKeyWrong):
            await open_or_create(committed, master)

    async def test_lets_one_of_two_first_processes_win(self, committed):
        masters = [MasterKeys(MasterKey(new_key())) for _ in range(2)]
        outcomes = await asyncio.gather(
            *(open_or_create(committed, master) for master in masters), return_exceptions=True
        )

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["MasterKeyWrong", "SystemKeys"]


class TestIsEmpty:
    async def test_is_true_until_a_key_is_made(self, database, master):
        async with database.transaction(None) as session:
            assert await system_keys.is_empty(session)
        await open_or_create(database, master)
        async with database.transaction(None) as session:
            assert not await system_keys.is_empty(session)
