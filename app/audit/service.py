from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from uuid import UUID

from app.audit.export import as_csv, ndjson
from app.audit.recorder import AuditRecorder, Resource
from app.audit.repository import AuditFilter, AuditRepository
from app.audit.schemas import AuditRead
from app.core.errors import NotFound
from app.core.pagination import Order, Page, PageRequest
from app.db.session import Database
from app.models import AuditAction

EXPORT_BATCH: Final = 500


class AuditLog:
    """Reading the log. An export is recorded in it, too."""

    def __init__(self, records: AuditRepository, audit: AuditRecorder, database: Database) -> None:
        self._records = records
        self._audit = audit
        self._database = database

    async def page(self, wanted: AuditFilter, request: PageRequest) -> Page[AuditRead]:
        page = await self._records.page(self._records.matching(wanted), request)
        return Page([AuditRead.of(row) for row in page.rows], page.last)

    async def of_integration(self, integration_id: UUID, wanted: AuditFilter) -> AuditFilter:
        """The filter for one integration, deleted or not. Raises ``NotFound`` if there never was one."""
        narrowed = replace(wanted, integration_id=integration_id)
        if not await self._records.knows(integration_id):
            raise NotFound
        return narrowed

    async def export(self, wanted: AuditFilter, format: str) -> AsyncIterator[str]:
        """Every matching record, newest first, read in batches of short transactions while it streams."""
        self._audit.record(AuditAction.AUDIT_LOG_EXPORTED, Resource("audit_log", "all"), {"format": format})
        rows = _read_all(self._database, self._records, wanted)
        return as_csv(rows) if format == "csv" else ndjson(rows)


async def _read_all(
    database: Database, records: AuditRepository, wanted: AuditFilter
) -> AsyncIterator[AuditRead]:
    request = PageRequest(EXPORT_BATCH, Order("created_at", descending=True))
    while True:
        async with database.transaction(records.tenant_id) as session:
            batch = AuditRepository(session, records.tenant_id)
            page = await batch.page(batch.matching(wanted), request)
        for row in page.rows:
            yield AuditRead.of(row)
        if page.last is None:
            return
        request = replace(request, after=page.last)
