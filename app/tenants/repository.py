"""The directory of tenants, which belongs to no tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from app.core.errors import NotFound, PreconditionFailed
from app.core.pagination import Page, PageRequest
from app.db.paging import fetch_page
from app.models import Tenant
from app.tenants.errors import TenantSlugTaken


class TenantDirectory:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self) -> Sequence[Tenant]:
        """All of them, for the command line."""
        return (await self._session.scalars(select(Tenant).order_by(Tenant.slug))).all()

    async def page(self, request: PageRequest) -> Page[Tenant]:
        return await fetch_page(self._session, select(Tenant), Tenant, request)

    async def get(self, id: UUID) -> Tenant:
        """Raises ``NotFound``."""
        return self._found((await self._session.scalars(select(Tenant).where(Tenant.id == id))).one_or_none())

    async def get_by_slug(self, slug: str) -> Tenant:
        """Raises ``NotFound``."""
        return self._found(
            (await self._session.scalars(select(Tenant).where(Tenant.slug == slug))).one_or_none()
        )

    async def find_made_with(self, creation_key: bytes) -> Tenant | None:
        query = select(Tenant).where(Tenant.creation_key == creation_key)
        return (await self._session.scalars(query)).one_or_none()

    async def save(self, row: Tenant) -> Tenant:
        """Raises ``TenantSlugTaken`` and ``PreconditionFailed``."""
        self._session.add(row)
        try:
            await self._session.flush()
        except IntegrityError as error:
            raise TenantSlugTaken from error
        except StaleDataError as error:
            raise PreconditionFailed from error
        await self._session.refresh(row)
        return row

    async def delete(self, row: Tenant) -> None:
        await self._session.delete(row)
        await self._session.flush()

    def _found(self, row: Tenant | None) -> Tenant:
        if row is None:
            raise NotFound
        return row
