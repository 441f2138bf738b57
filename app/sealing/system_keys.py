"""The installation's own keys. That they open with the configured master key is the boot check."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import CannotOpen, MasterKeys, new_key
from app.models import SystemKey
from app.sealing.errors import MasterKeyWrong

PEPPER = "token_pepper"
CURSORS = "cursor_key"


@dataclass(frozen=True, slots=True, repr=False)
class SystemKeys:
    pepper: bytes
    """Key of the HMAC under which access tokens are stored."""
    cursors: bytes
    """Key of the HMAC that list cursors carry."""


async def is_empty(session: AsyncSession) -> bool:
    """No key was ever made for this database."""
    return (await session.scalar(select(SystemKey.name).limit(1))) is None


async def open_or_create(session: AsyncSession, master: MasterKeys) -> SystemKeys:
    """The keys, made first where they are missing; raises ``MasterKeyWrong``.

    Two processes that start with different master keys on an empty database: the rows of one stay, and
    the other does not open them.
    """
    for name in (PEPPER, CURSORS):
        master_key_id, wrapped = master.wrap(new_key(), _purpose(name))
        row = {"name": name, "master_key_id": master_key_id, "wrapped": wrapped}
        await session.execute(insert(SystemKey).values(row).on_conflict_do_nothing())
    keys = {row.name: _open(row, master) for row in await session.scalars(select(SystemKey))}
    return SystemKeys(pepper=keys[PEPPER], cursors=keys[CURSORS])


def _open(row: SystemKey, master: MasterKeys) -> bytes:
    try:
        return master.unwrap(row.master_key_id, row.wrapped, _purpose(row.name))
    except CannotOpen:
        configured = ", ".join(master.ids)
        raise MasterKeyWrong(
            f"The database is sealed with master key {row.master_key_id}; configured: {configured}."
        ) from None


def _purpose(name: str) -> str:
    return f"system key {name}"
