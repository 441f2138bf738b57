"""Rows of one table as one tenant sees them."""

from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from app.core.errors import AppError, NotFound, PreconditionFailed
from app.core.ids import TenantId
from app.core.pagination import Page, PageRequest
from app.db.base import TenantScoped
from app.db.paging import fetch_page

M = TypeVar("M", bound=TenantScoped)


class TenantRepository(Generic[M]):
    """The tenant is given once, to the constructor: no method takes it, so none can forget it."""

    model: type[M]
    conflicts: ClassVar[Mapping[str, type[AppError]]] = {}
    """Constraint name to the error that its violation means."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self.session = session
        self.tenant_id = tenant_id

    def select(self) -> Select[M]:
        return select(self.model).where(self.model.tenant_id == self.tenant_id)

    async def get(self, id: UUID) -> M:
        """The row; raises ``NotFound``, also for another tenant's id."""
        row = await self.find(id)
        if row is None:
            raise NotFound
        return row

    async def find(self, id: UUID) -> M | None:
        return (await self.session.scalars(self.select().where(self.model.id == id))).one_or_none()

    async def page(self, query: Select[M], request: PageRequest) -> Page[M]:
        return await fetch_page(self.session, query, self.model, request)

    async def add(self, row: M) -> M:
        row.tenant_id = self.tenant_id
        self.session.add(row)
        return await self.save(row)

    async def save(self, row: M) -> M:
        """Write what changed, and read back what the database made of it."""
        await self.flush()
        await self.session.refresh(row)
        return row

    async def flush(self) -> None:
        """Send what changed; a violated constraint becomes the error that ``conflicts`` names."""
        try:
            await self.session.flush()
        except IntegrityError as error:
            raise self._conflict(error) from error
        except StaleDataError as error:
            raise PreconditionFailed from error

    async def delete(self, row: M) -> None:
        await self.session.delete(row)
        await self.flush()

    def _conflict(self, error: IntegrityError) -> AppError | IntegrityError:
        cause = getattr(error.orig, "__cause__", None)
        conflict = self.conflicts.get(getattr(cause, "constraint_name", None) or "")
        return conflict() if conflict else error
