"""Handlers as tools: what an agent has to know to call one."""

import asyncio
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from app.auth.context import Context
from app.core.errors import AppError
from app.core.pagination import Page, PageRequest
from app.db.session import Database
from app.handlers.repository import HandlerFilter, HandlerRepository
from app.handlers.targets import TARGET, OperationTarget
from app.integrations.repository import IntegrationRepository
from app.models import Handler
from app.openapi_sync.library import DescribedDocument, DocumentLibrary
from app.openapi_sync.operation import Operation
from app.openapi_sync.repository import Described, DocumentRepository, HeldRepository
from app.openapi_sync.schema_translation import Schema
from app.openapi_sync.tool_schemas import DIALECT, ToolSchemas
from app.tools.schemas import ToolRead

Reader = tuple[Mapping[tuple[str, str], Operation], ToolSchemas]
ANYTHING: Schema = {"$schema": DIALECT, "type": "object"}


@dataclass(frozen=True, slots=True)
class Tools:
    """A page of tools; ``page`` is that of their handlers."""

    tools: Sequence[ToolRead]
    page: Page[Handler]


class ToolService:
    def __init__(self, database: Database, library: DocumentLibrary, context: Context) -> None:
        self._database = database
        self._library = library
        self._tenant_id = context.tenant_id

    async def check(self, integration_id: UUID) -> None:
        """Raises ``NotFound`` for an integration that is not there."""
        async with self._database.transaction(self._tenant_id) as session:
            await IntegrationRepository(session, self._tenant_id).get(integration_id)

    async def page(self, integration_id: UUID | None, request: PageRequest) -> Tools:
        """The handlers that can be called, of an integration or of all of them. Raises ``NotFound``."""
        wanted = HandlerFilter(integration_id=integration_id, is_callable=True)
        async with self._database.transaction(self._tenant_id) as session:
            if integration_id is not None:
                await IntegrationRepository(session, self._tenant_id).get(integration_id)
            handlers = HandlerRepository(session, self._tenant_id)
            page = await handlers.page(handlers.matching(wanted), request)
            documents = DocumentRepository(session, self._tenant_id)
            integrations = {row.integration_id for row in page.rows}
            latest = await documents.latest_of_each_source(integrations)
            held = await HeldRepository(session, self._tenant_id).baselines(integrations)
        found = [(of, document) for of, id in latest if (document := await self._document(id))]
        older = {place: document for place, id in held.items() if (document := await self._document(id))}
        return Tools(await asyncio.to_thread(_described, page.rows, found, older), page)

    async def _document(self, id: UUID) -> DescribedDocument | None:
        """None for one that newer ones have just replaced, or that this release does not read any more."""
        try:
            return await self._library.get(id, partial(self._content, id))
        except AppError:
            return None

    async def _content(self, id: UUID) -> bytes:
        async with self._database.transaction(self._tenant_id) as session:
            return await DocumentRepository(session, self._tenant_id).content(id)


def _described(
    rows: Iterable[Handler],
    documents: Iterable[tuple[UUID, DescribedDocument]],
    older: Mapping[Described, DescribedDocument],
) -> list[ToolRead]:
    """``older``: what describes the handlers that are not to change with the newest document."""
    readers: dict[UUID, list[Reader]] = defaultdict(list)
    for integration_id, document in documents:
        readers[integration_id].append((document.operations, document.schemas()))
    kept = {document: (document.operations, document.schemas()) for document in {*older.values()}}
    own = {place: [kept[document]] for place, document in older.items()}
    return [_tool(row, readers[row.integration_id], own) for row in rows]


def _tool(row: Handler, documents: Sequence[Reader], own: Mapping[Described, Sequence[Reader]]) -> ToolRead:
    target = TARGET.validate_python(row.target)
    description, takes, gives = row.summary, ANYTHING, None
    if isinstance(target, OperationTarget):
        takes = _of_target(target, row.default_args)
        place = row.integration_id, target.method, target.path
        for operations, schemas in (*own.get(place, ()), *documents):
            if operation := operations.get((target.method, target.path)):
                description = _text(row, schemas.description(operation), operation)
                takes, gives = schemas.input(operation, row.default_args), schemas.output(operation)
                break
    return ToolRead(
        name=row.name,
        description=description,
        integration_id=row.integration_id,
        handler_id=row.id,
        input_schema=takes,
        output_schema=gives,
    )


def _text(row: Handler, stated: str | None, operation: Operation) -> str | None:
    """The handler's summary, which may be a person's, and what the document says at length."""
    parts = dict.fromkeys(part for part in (row.summary or operation.summary, stated) if part)
    return "\n\n".join(parts) or None


def _of_target(target: OperationTarget, given: Container[str]) -> Schema:
    """What is known of an operation that no kept document describes any more."""
    required = [one.name for one in target.parameters if one.required and one.name not in given]
    return {**ANYTHING, "properties": {one.name: {} for one in target.parameters}, "required": required}
