from uuid import UUID

from fastapi import Response

from app.auth.dependencies import requires
from app.auth.scopes import Scope
from app.idempotency.routing import IdempotentRoute
from app.sync_schedules.dependencies import Service
from app.sync_schedules.schemas import SyncScheduleGiven, SyncScheduleRead
from app.web.conditions import IfMatch, created, tagged
from app.web.routing import Router

PREFIX = "/integrations/{integration_id}/sync-schedule"

router = Router(prefix=PREFIX, tags=["sync"], route_class=IdempotentRoute)

READ = [requires(Scope.HANDLERS_READ)]
WRITE = [requires(Scope.HANDLERS_WRITE)]


@router.get("", dependencies=READ)
async def get_sync_schedule(integration_id: UUID, service: Service, response: Response) -> SyncScheduleRead:
    """How the integration is synced by itself, how the last run ended, and what waits for a person."""
    return SyncScheduleRead.of(tagged(await service.get(integration_id), response))


@router.put("", dependencies=WRITE, responses={201: {"model": SyncScheduleRead}})
async def put_sync_schedule(
    integration_id: UUID, data: SyncScheduleGiven, service: Service, condition: IfMatch, response: Response
) -> SyncScheduleRead:
    """Sync again by itself from now on; the first run follows at once, and after every change."""
    row, is_new = await service.put(integration_id, data, condition)
    if is_new:
        response.status_code = 201
        created(row, response, f"/integrations/{integration_id}/sync-schedule")
    return SyncScheduleRead.of(tagged(row, response))


@router.delete("", status_code=204, dependencies=WRITE)
async def delete_sync_schedule(integration_id: UUID, service: Service, condition: IfMatch) -> None:
    """Sync only when asked to; what the syncs made stays."""
    await service.delete(integration_id, condition)


@router.post("/run", status_code=202, dependencies=WRITE)
async def run_sync_schedule(integration_id: UUID, service: Service, response: Response) -> SyncScheduleRead:
    """Ask for a run now."""
    return SyncScheduleRead.of(tagged(await service.request_run(integration_id), response))
