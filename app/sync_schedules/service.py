from uuid import UUID

from app.audit.recorder import AuditRecorder, Resource, difference
from app.core import clock
from app.core.errors import Fault, NotFound
from app.core.ids import new_id
from app.core.secret import Secret
from app.db.base import Json
from app.db.precondition import Precondition
from app.executions.errors import BaseUrlMissing
from app.models import AuditAction, Integration, SyncSchedule
from app.openapi_sync.fetching import source_of
from app.openapi_sync.repository import DocumentRepository
from app.sealing.service import Sealer
from app.sync_schedules.errors import SyncScheduleDisabled
from app.sync_schedules.repository import SyncScheduleRepository
from app.sync_schedules.schemas import SyncScheduleGiven

TABLE = SyncSchedule.__tablename__


class SyncScheduleService:
    """The one schedule of an integration, as people see it. A worker does what it says."""

    def __init__(
        self,
        schedules: SyncScheduleRepository,
        documents: DocumentRepository,
        sealer: Sealer,
        audit: AuditRecorder,
    ) -> None:
        self._schedules = schedules
        self._documents = documents
        self._sealer = sealer
        self._audit = audit

    async def get(self, integration_id: UUID) -> SyncSchedule:
        return await self._schedules.get_of(integration_id)

    async def put(
        self, integration_id: UUID, data: SyncScheduleGiven, condition: Precondition
    ) -> tuple[SyncSchedule, bool]:
        """The schedule as given, and whether there was none. It is due at once if anything changed.

        Raises ``NotFound`` for an integration that is not there, ``BaseUrlMissing``, ``PreconditionFailed``.
        """
        integration = await self._documents.lock(integration_id)
        _check_address(integration, data)
        row = await self._schedules.lock_of(integration_id)
        if row is None:
            condition.check_absent()
            return await self._create(integration_id, data), True
        condition.check(row)
        before = snapshot(row)
        await self._fill(row, data)
        changes = difference(before, snapshot(row))
        if changes:
            row.fence += 1  # whoever is at it was told something else
            row.consecutive_failures = 0
            row.due_at = clock.now() if row.enabled else None
            await self._schedules.save(row)
            self._audit.record(AuditAction.SYNC_SCHEDULE_UPDATED, resource_of(row), changes)
        return row, False

    async def delete(self, integration_id: UUID, condition: Precondition) -> None:
        row = await self._lock(integration_id)
        condition.check(row)
        changes = difference(snapshot(row), {})
        self._audit.record(AuditAction.SYNC_SCHEDULE_DELETED, resource_of(row), changes)
        await self._schedules.delete(row)

    async def request_run(self, integration_id: UUID) -> SyncSchedule:
        """As soon as a worker is free, after a run that is under way. Raises ``SyncScheduleDisabled``."""
        row = await self._lock(integration_id)
        if not row.enabled:
            raise SyncScheduleDisabled
        row.due_at = clock.now()
        await self._schedules.save(row)
        self._audit.record(AuditAction.SYNC_SCHEDULE_RUN_REQUESTED, resource_of(row))
        return row

    async def _lock(self, integration_id: UUID) -> SyncSchedule:
        row = await self._schedules.lock_of(integration_id)
        if row is None:
            raise NotFound
        return row

    async def _create(self, integration_id: UUID, data: SyncScheduleGiven) -> SyncSchedule:
        row = SyncSchedule(id=new_id(), integration_id=integration_id, source=None)
        await self._fill(row, data)
        row.due_at = clock.now() if row.enabled else None
        await self._schedules.add(row)
        self._audit.record(AuditAction.SYNC_SCHEDULE_CREATED, resource_of(row), difference({}, snapshot(row)))
        return row

    async def _fill(self, row: SyncSchedule, data: SyncScheduleGiven) -> None:
        source = source_of(data.url) if data.url else None
        if source != row.source:  # which tells addresses apart, though it does not show their queries
            row.source = source
            row.sealed = await self._sealer.seal(Secret(data.url), TABLE, row.id) if data.url else None
        row.request = data.stored()
        row.interval_seconds = data.interval_seconds
        row.apply = data.apply
        row.enabled = data.enabled


def _check_address(integration: Integration, data: SyncScheduleGiven) -> None:
    if data.url is None and integration.base_url is None:
        message = "The integration has no base URL below which the document could be."
        raise BaseUrlMissing(message, errors=[Fault("/integrationName", message)])


def snapshot(row: SyncSchedule) -> Json:
    """What a person says of it, for the audit log."""
    shown = ("interval_seconds", "apply", "enabled")
    return {**row.request, "url": row.source, **{column: getattr(row, column) for column in shown}}


def resource_of(row: SyncSchedule) -> Resource:
    return Resource("sync_schedule", row.id, integration_id=row.integration_id)
