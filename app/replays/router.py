"""Replays of many executions. Their addresses are below ``/executions``: this router has to come first."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Session, requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.handlers.repository import HandlerRepository
from app.idempotency.routing import IdempotentRoute
from app.integrations.repository import IntegrationRepository
from app.models import Replay
from app.replays.repository import ReplayRepository
from app.replays.schemas import ReplayCreate, ReplayRead
from app.replays.service import ReplayService
from app.web.routing import Router

router = Router(tags=["executions"], route_class=IdempotentRoute)

SORTABLE = {"createdAt": "id"}  # which holds the moment
READ = [requires(Scope.EXECUTIONS_READ)]
WRITE = [requires(Scope.EXECUTIONS_WRITE)]


def get_service(session: Session, context: CurrentContext, audit: Audit) -> ReplayService:
    tenant_id = context.tenant_id
    return ReplayService(
        ReplayRepository(session, tenant_id),
        HandlerRepository(session, tenant_id),
        IntegrationRepository(session, tenant_id),
        audit,
    )


Service = Annotated[ReplayService, Depends(get_service)]


@router.post("/executions/replay", response_model=ReplayRead, status_code=202, dependencies=WRITE)
async def replay_executions(
    data: ReplayCreate, service: Service, context: CurrentContext, response: Response
) -> Replay:
    row = await service.start(data, context.origin.request_id)
    response.headers["Location"] = f"/executions/replays/{row.id}"
    return row


@router.get("/executions/replays", response_model=list[ReplayRead], dependencies=READ)
async def list_replays(service: Service, paging: Paging) -> Sequence[Replay]:
    return paging.answer(await service.page(paging.asked(SORTABLE)))


@router.get("/executions/replays/{replay_id}", response_model=ReplayRead, dependencies=READ)
async def get_replay(replay_id: UUID, service: Service) -> Replay:
    return await service.get(replay_id)


@router.post("/executions/replays/{replay_id}/cancel", response_model=ReplayRead, dependencies=WRITE)
async def cancel_replay(replay_id: UUID, service: Service) -> Replay:
    return await service.cancel(replay_id)
