"""What the kept documents say of arguments, read and compiled when a handler is first called."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AppError
from app.core.ids import TenantId
from app.db.outages import DATABASE_ERRORS
from app.db.session import Database
from app.executions.errors import RulesUnreadable
from app.executions.rules import Check
from app.handlers.targets import OperationTarget
from app.openapi_sync.argument_check import ArgumentCheck
from app.openapi_sync.library import DescribedDocument, DocumentLibrary
from app.openapi_sync.repository import DocumentRepository, HeldRepository
from app.openapi_sync.tool_schemas import ArgumentSchemas

MAX_BYTES = 4 * 1024 * 1024
"""Of the schemas, as JSON, of all checks kept; compiled they are some ten times that."""
LEAST_BYTES = 512

Place = tuple[UUID, str, str]
"""Document, method and path."""


@dataclass(frozen=True, slots=True)
class _Kept:
    check: Check | None
    size: int


class ArgumentRules:
    """A document never changes, and neither does what follows from it."""

    def __init__(self, database: Database, library: DocumentLibrary, max_bytes: int = MAX_BYTES) -> None:
        self._database = database
        self._library = library
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()
        self._size = 0
        self._turn = asyncio.Semaphore(1)

    async def of(
        self, session: AsyncSession, tenant_id: TenantId, integration_id: UUID, target: OperationTarget
    ) -> "OperationRules | None":
        documents = await DocumentRepository(session, tenant_id).latest_of_each_source({integration_id})
        held = await HeldRepository(session, tenant_id).baselines({integration_id})
        own = held.get((integration_id, target.method, target.path))  # before what it was not changed to
        ids = [*([own] if own else ()), *(id for _, id in documents)]
        return OperationRules(self, tenant_id, ids, target.method, target.path) if ids else None

    async def find(self, tenant_id: TenantId, place: Place) -> Check | None:
        """Raises ``RulesUnreadable``."""
        if place not in self._kept:
            async with self._turn:
                if place not in self._kept:
                    self._keep(place, await self._read(tenant_id, place))
        self._kept.move_to_end(place)
        return self._kept[place].check

    async def _read(self, tenant_id: TenantId, place: Place) -> _Kept:
        id, method, path = place
        try:
            document = await self._library.get(id, partial(self._content, tenant_id, id))
        except DATABASE_ERRORS as error:
            raise RulesUnreadable from error
        except AppError:  # newer ones have taken its place, or this release does not read it any more
            return _Kept(None, LEAST_BYTES)
        return await asyncio.to_thread(_compiled, document, method, path)

    async def _content(self, tenant_id: TenantId, id: UUID) -> bytes:
        async with self._database.transaction(tenant_id) as session:
            return await DocumentRepository(session, tenant_id).content(id)

    def _keep(self, place: Place, kept: _Kept) -> None:
        self._kept[place] = kept
        self._size += kept.size
        while len(self._kept) > 1 and self._size > self._max_bytes:
            self._size -= self._kept.popitem(last=False)[1].size


@dataclass(frozen=True, slots=True)
class OperationRules:
    """Of an operation, by whichever document describes it; the newest comes first."""

    book: ArgumentRules
    tenant_id: TenantId
    documents: Sequence[UUID]
    method: str
    path: str

    async def check(self) -> Check | None:
        for id in self.documents:
            if check := await self.book.find(self.tenant_id, (id, self.method, self.path)):
                return check
        return None


def _compiled(document: DescribedDocument, method: str, path: str) -> _Kept:
    operation = document.operations.get((method, path))
    if operation is None:
        return _Kept(None, LEAST_BYTES)
    schemas = document.schemas().arguments(operation)
    return _Kept(ArgumentCheck(schemas), _size(schemas))


def _size(schemas: ArgumentSchemas) -> int:
    return LEAST_BYTES + sum(len(orjson.dumps(one)) for one in (schemas.parameters, schemas.body))
