"""Finding out which tenant a request is about: what is asked before a tenant is known."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.models import AccessToken, Tenant

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""``lastUsedAt`` is written at most this often, so that a busy token costs no write per request."""

FIND = text("SELECT tenant_id, id FROM app.find_access_token(:hash)")


async def find_token(session: AsyncSession, hash: bytes) -> tuple[TenantId, UUID] | None:
    """``(tenant, token id)`` of a token hash, whoever's it is."""
    row = (await session.execute(FIND, {"hash": hash})).one_or_none()
    return None if row is None else (TenantId(row.tenant_id), row.id)


async def find_tenant(session: AsyncSession, id: str) -> Tenant | None:
    """The tenant of that id, suspended or not; None as well for what is no id at all."""
    try:
        wanted = UUID(id)
    except ValueError:
        return None
    return await session.get(Tenant, wanted)


async def read_token(
    session: AsyncSession, tenant_id: TenantId, id: UUID
) -> tuple[AccessToken, Tenant] | None:
    """The token and its tenant; None if either was deleted since the token was found."""
    query = (
        select(AccessToken, Tenant)
        .join(Tenant, Tenant.id == AccessToken.tenant_id)
        .where(AccessToken.tenant_id == tenant_id, AccessToken.id == id)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def note_use(session: AsyncSession, token: AccessToken, at: datetime) -> None:
    """Note ``lastUsedAt``; being used is no change of the token, so ``updatedAt`` stays."""
    if token.last_used_at is not None and at - token.last_used_at < LAST_USED_RESOLUTION:
        return
    await session.execute(
        update(AccessToken)
        .where(AccessToken.tenant_id == token.tenant_id, AccessToken.id == token.id)
        .values(last_used_at=func.now(), updated_at=AccessToken.updated_at)
    )
