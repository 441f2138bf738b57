"""A sync in three steps: look up, fetch and read, write. No transaction waits for an upstream."""

import asyncio
from uuid import UUID

from app.auth.context import Context
from app.core.egress.fetch import NOT_MODIFIED, FetchClient
from app.core.errors import Fault
from app.db.session import Database
from app.executions.errors import BaseUrlMissing
from app.handlers.errors import HandlerNameTaken
from app.integrations.repository import IntegrationRepository
from app.models import OpenApiDocument
from app.openapi_sync.fetching import document_url, fetch_document, source_of
from app.openapi_sync.options import SyncOptions
from app.openapi_sync.reading import Reading, read_document
from app.openapi_sync.repository import DocumentRepository
from app.openapi_sync.schemas import SyncRequest
from app.openapi_sync.writing import Arrived, HandlerSync, Synced

UPLOAD = "upload"
"""The source of a document that was sent to us."""

_TURNS = asyncio.Semaphore(2)
"""Documents read at a time: each takes many times its size in memory, and a processor for seconds."""


class SyncService:
    def __init__(
        self, database: Database, client: FetchClient, context: Context, *, document_limit: int
    ) -> None:
        self._database = database
        self._client = client
        self._context = context
        self._document_limit = document_limit

    async def sync(self, integration_id: UUID, request: SyncRequest, options: SyncOptions) -> Synced:
        """From the document at the address that ``request`` names.

        Raises ``NotFound``, ``BaseUrlMissing``, what ``fetch_document`` and ``read_document`` raise, and
        ``TooManyMissing``.
        """
        url, known = await self._look_up(integration_id, request)
        fetched = await fetch_document(self._client, url, known, max_bytes=self._document_limit)
        reading = await _read(None if fetched.status == NOT_MODIFIED else fetched.body, known)
        is_same = fetched.status == NOT_MODIFIED and known is not None
        arrived = Arrived(
            reading=reading,
            source=source_of(url),
            integration_name=request.integration_name,
            etag=known.etag if is_same and known else fetched.etag,
            last_modified=known.last_modified if is_same and known else fetched.last_modified,
        )
        return await self._write(integration_id, arrived, options)

    async def sync_upload(self, integration_id: UUID, raw: bytes, options: SyncOptions) -> Synced:
        """From a document that was sent. Raises as ``sync`` does."""
        async with self._database.transaction(self._context.tenant_id) as session:
            await IntegrationRepository(session, self._context.tenant_id).get(integration_id)
            documents = DocumentRepository(session, self._context.tenant_id)
            known = await documents.find_latest(integration_id, UPLOAD)
        arrived = Arrived(reading=await _read(raw, known), source=UPLOAD)
        return await self._write(integration_id, arrived, options)

    async def _look_up(
        self, integration_id: UUID, request: SyncRequest
    ) -> tuple[str, OpenApiDocument | None]:
        """The document's address, and what was there at the last sync from it."""
        async with self._database.transaction(self._context.tenant_id) as session:
            integration = await IntegrationRepository(session, self._context.tenant_id).get(integration_id)
            url = _address(request, integration.base_url)
            documents = DocumentRepository(session, self._context.tenant_id)
            return url, await documents.find_latest(integration_id, source_of(url))

    async def _write(self, integration_id: UUID, arrived: Arrived, options: SyncOptions) -> Synced:
        """Somebody may take a planned name before we do; the second plan knows that name."""
        try:
            return await self._write_once(integration_id, arrived, options)
        except HandlerNameTaken:
            return await self._write_once(integration_id, arrived, options)

    async def _write_once(self, integration_id: UUID, arrived: Arrived, options: SyncOptions) -> Synced:
        async with self._database.transaction(self._context.tenant_id) as session:
            return await HandlerSync(session, self._context).run(integration_id, arrived, options)


def _address(request: SyncRequest, base_url: str | None) -> str:
    if request.url is not None:
        return request.url
    if base_url is None:
        message = "The integration has no base URL below which the document could be."
        raise BaseUrlMissing(message, errors=[Fault("/integrationName", message)])
    return document_url(base_url, request.integration_name or "")


async def _read(raw: bytes | None, known: OpenApiDocument | None) -> Reading:
    async with _TURNS:
        return await asyncio.to_thread(read_document, raw, known)
