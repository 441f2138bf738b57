"""A sync in three steps: look up, fetch and read, write. No transaction waits for an upstream."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ParamSpec, TypeVar
from uuid import UUID

from app.auth.context import Context
from app.core.egress.fetch import NOT_MODIFIED, FetchClient, Fetched
from app.core.errors import Fault
from app.db.base import Json
from app.db.session import Database
from app.executions.errors import BaseUrlMissing
from app.handlers.errors import HandlerNameTaken
from app.integrations.repository import IntegrationRepository
from app.models import OpenApiDocument
from app.openapi_sync.bundling import bundle
from app.openapi_sync.fetching import document_url, fetch_document, fetch_files, source_of
from app.openapi_sync.files import is_alone
from app.openapi_sync.holding import baselines
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.options import SyncOptions
from app.openapi_sync.reading import Reading, read_again, read_document, reader
from app.openapi_sync.repository import DocumentRepository, HeldRepository, SyncedHandlerRepository
from app.openapi_sync.schemas import SyncRequest, SyncResult
from app.openapi_sync.writing import Arrived, HandlerSync, Witness

UPLOAD = "upload"
"""The source of a document that was sent to us."""

P = ParamSpec("P")
R = TypeVar("R")

_TURNS = asyncio.Semaphore(2)
"""Documents read at a time: one that is made to hurt takes a processor for seconds."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What was fetched, as one document."""

    text: bytes
    oddities: tuple[Oddity, ...]
    etag: str | None = None
    last_modified: str | None = None


class SyncService:
    def __init__(
        self,
        database: Database,
        client: FetchClient,
        context: Context,
        *,
        document_limit: int,
        witness: Witness | None = None,
    ) -> None:
        self._database = database
        self._client = client
        self._context = context
        self._document_limit = document_limit
        self._witness = witness

    async def sync(self, integration_id: UUID, request: SyncRequest, options: SyncOptions) -> SyncResult:
        """From the document at the address that ``request`` names.

        Raises ``NotFound``, ``BaseUrlMissing``, what ``fetch_document`` and ``read_document`` raise, and
        ``TooManyMissing``.
        """
        url, known = await self._look_up(integration_id, request)
        fetched = await fetch_document(self._client, url, known, max_bytes=self._document_limit)
        made = await self._bundle(fetched)
        raw = None if fetched.status == NOT_MODIFIED else made.text
        if settled := await self._find_settled(integration_id, known, raw, options):
            return settled
        is_same = raw is None and known is not None
        arrived = Arrived(
            reading=await self._read(integration_id, raw, known, options, made.oddities),
            source=source_of(url),
            integration_name=request.integration_name,
            etag=known.etag if is_same and known else made.etag,
            last_modified=known.last_modified if is_same and known else made.last_modified,
        )
        return await self._write(integration_id, arrived, options)

    async def sync_upload(self, integration_id: UUID, raw: bytes, options: SyncOptions) -> SyncResult:
        """From a document that was sent. Raises as ``sync`` does."""
        async with self._database.transaction(self._context.tenant_id) as session:
            await IntegrationRepository(session, self._context.tenant_id).get(integration_id)
            documents = DocumentRepository(session, self._context.tenant_id)
            known = await documents.find_latest(integration_id, UPLOAD)
        if settled := await self._find_settled(integration_id, known, raw, options):
            return settled
        arrived = Arrived(reading=await self._read(integration_id, raw, known, options), source=UPLOAD)
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

    async def _bundle(self, fetched: Fetched) -> "_Made":
        """With the files that it refers to. That the first of several has not changed says nothing of the
        others, so no validator is kept of them."""
        alone = _Made(fetched.body, (), fetched.etag, fetched.last_modified)
        if fetched.status == NOT_MODIFIED:
            return alone
        if await asyncio.to_thread(is_alone, fetched.body):
            return alone
        limit = self._document_limit
        gathered = await fetch_files(self._client, fetched.url, fetched.body, max_bytes=limit)
        if not (gathered.files or gathered.missing):
            return alone
        made = await _in_turn(bundle, gathered)
        return _Made(made.text, made.oddities)

    async def _find_settled(
        self, integration_id: UUID, known: OpenApiDocument | None, raw: bytes | None, options: SyncOptions
    ) -> SyncResult | None:
        """The answer of a sync that would find nothing to do: neither the document nor a handler has changed
        since one that looked through all of them. ``raw`` is None when the upstream says so of the document.
        """
        if known is None or known.settled is None:
            return None
        if raw is not None and await asyncio.to_thread(_digest, raw) != known.content_hash:
            return None
        async with self._database.transaction(self._context.tenant_id) as session:
            tenant_id = self._context.tenant_id
            latest = await DocumentRepository(session, tenant_id).find_latest(integration_id)
            state = await SyncedHandlerRepository(session, tenant_id).state(integration_id)
            if (
                latest is None
                or latest.id != known.id
                or known.settled["when"] != _circumstances(options, state)
            ):
                return None
            # A document that was held as a whole is not kept, so the one before it is still the latest.
            if options.holding is None and not options.dry_run:
                await HeldRepository(session, tenant_id).release(integration_id)
        return SyncResult.found_again(known.settled["result"], dry_run=options.dry_run)

    async def _read(
        self,
        integration_id: UUID,
        raw: bytes | None,
        known: OpenApiDocument | None,
        options: SyncOptions,
        oddities: Sequence[Oddity] = (),
    ) -> Reading:
        """A dry run also compares with what was synced last."""
        before = compressed = None
        async with self._database.transaction(self._context.tenant_id) as session:
            documents = DocumentRepository(session, self._context.tenant_id)
            if options.dry_run and (latest := await documents.find_latest(integration_id)):
                before = await documents.content(latest.id)
            if raw is None and known is not None:
                compressed = await documents.content(known.id)
            older = await _older(documents, integration_id, options)
        if compressed is not None and known is not None:
            return await _in_turn(read_again, compressed, known, before=before, older=older)
        return await _in_turn(read_document, raw or b"", known, before=before, older=older, oddities=oddities)

    async def _write(self, integration_id: UUID, arrived: Arrived, options: SyncOptions) -> SyncResult:
        """Somebody may take a planned name before we do; the second plan knows that name."""
        try:
            return await self._write_once(integration_id, arrived, options)
        except HandlerNameTaken:
            return await self._write_once(integration_id, arrived, options)

    async def _write_once(self, integration_id: UUID, arrived: Arrived, options: SyncOptions) -> SyncResult:
        tenant_id = self._context.tenant_id
        async with self._database.transaction(tenant_id) as session:
            synced = await HandlerSync(session, self._context, self._witness).run(
                integration_id, arrived, options
            )
            result = await asyncio.to_thread(SyncResult.of, synced)
            if synced.writes:
                latest = await DocumentRepository(session, tenant_id).find_latest(integration_id)
                state = await SyncedHandlerRepository(session, tenant_id).state(integration_id)
                when = _circumstances(options.remembering(baselines(synced.held)), state)
                settled: Json = {"when": when, "result": result.next()}
                if latest is not None:
                    latest.settled = settled if result.is_settled or synced.held else None
            return result


async def _older(
    documents: DocumentRepository, integration_id: UUID, options: SyncOptions
) -> dict[UUID, bytes]:
    """The documents that the handlers agree with, for a sync that has to know what breaks."""
    if options.holding is None:
        return {}
    latest = await documents.find_latest(integration_id)
    return await documents.contents({*options.holding.baselines.values(), *([latest.id] if latest else ())})


def _circumstances(options: SyncOptions, state: Json) -> Json:
    return {"reader": reader(), "options": options.lasting(), "state": state}


def _digest(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def _address(request: SyncRequest, base_url: str | None) -> str:
    if request.url is not None:
        return request.url
    if base_url is None:
        message = "The integration has no base URL below which the document could be."
        raise BaseUrlMissing(message, errors=[Fault("/integrationName", message)])
    return document_url(base_url, request.integration_name or "")


async def _in_turn(read: Callable[P, R], *given: P.args, **options: P.kwargs) -> R:
    async with _TURNS:
        return await asyncio.to_thread(read, *given, **options)
