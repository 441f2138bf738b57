from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Session, requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.executions.repository import ExecutionFilter, ExecutionRepository
from app.executions.schemas import ExecutionRead, ExecutionSummary, Reason
from app.executions.service import ExecutionService
from app.handlers.repository import HandlerRepository
from app.idempotency.routing import IdempotentRoute
from app.integrations.repository import IntegrationRepository
from app.models import Execution, ExecutionStatus, Trigger
from app.web.routing import Router
from app.web.schemas import Moment

router = Router(tags=["executions"], route_class=IdempotentRoute)

SORTABLE = {"createdAt": "id"}  # which holds the moment, and is what the indexes are sorted by
READ = [requires(Scope.EXECUTIONS_READ)]
WRITE = [requires(Scope.EXECUTIONS_WRITE)]


def get_filter(
    handler: Annotated[UUID | None, Query(description="A handler's id.")] = None,
    status: ExecutionStatus | None = None,
    trigger: Trigger | None = None,
    reason: Annotated[Reason | None, Query(description="How `statusReason` begins.")] = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> ExecutionFilter:
    return ExecutionFilter(None, handler, status, trigger, reason, since, until)


def get_service(session: Session, context: CurrentContext, audit: Audit) -> ExecutionService:
    tenant_id = context.tenant_id
    return ExecutionService(
        ExecutionRepository(session, tenant_id),
        HandlerRepository(session, tenant_id),
        IntegrationRepository(session, tenant_id),
        audit,
    )


Filter = Annotated[ExecutionFilter, Depends(get_filter)]
Service = Annotated[ExecutionService, Depends(get_service)]


@router.get(
    "/integrations/{integration_id}/executions", response_model=list[ExecutionSummary], dependencies=READ
)
async def list_integration_executions(
    integration_id: UUID, service: Service, wanted: Filter, paging: Paging
) -> Sequence[Execution]:
    narrowed = replace(wanted, integration_id=integration_id)
    return paging.answer(await service.page(narrowed, paging.asked(SORTABLE)))


@router.get("/executions", response_model=list[ExecutionSummary], dependencies=READ)
async def list_executions(service: Service, wanted: Filter, paging: Paging) -> Sequence[Execution]:
    return paging.answer(await service.page(wanted, paging.asked(SORTABLE)))


@router.get("/executions/{execution_id}", dependencies=READ)
async def get_execution(execution_id: UUID, service: Service) -> ExecutionRead:
    return await service.get(execution_id)


@router.post(
    "/executions/{execution_id}/replay", response_model=ExecutionSummary, status_code=202, dependencies=WRITE
)
async def replay_execution(
    execution_id: UUID, service: Service, context: CurrentContext, response: Response
) -> Execution:
    row = await service.replay(execution_id, context.origin.request_id)
    response.headers["Location"] = f"/executions/{row.id}"
    return row


@router.post("/executions/{execution_id}/cancel", response_model=ExecutionSummary, dependencies=WRITE)
async def cancel_execution(execution_id: UUID, service: Service) -> Execution:
    return await service.cancel(execution_id)
