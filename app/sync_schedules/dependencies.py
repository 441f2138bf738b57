from typing import Annotated

from fastapi import Depends

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Sealing, Session
from app.openapi_sync.repository import DocumentRepository
from app.sync_schedules.repository import SyncScheduleRepository
from app.sync_schedules.service import SyncScheduleService


def get_service(
    session: Session, context: CurrentContext, sealer: Sealing, audit: Audit
) -> SyncScheduleService:
    return SyncScheduleService(
        SyncScheduleRepository(session, context.tenant_id),
        DocumentRepository(session, context.tenant_id),
        sealer,
        audit,
    )


Service = Annotated[SyncScheduleService, Depends(get_service)]
