from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from app.auth.dependencies import CurrentContext, Keys, Session, Transactions, requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.core.errors import NotFound
from app.handlers.repository import HandlerRepository
from app.ingest.release import Release
from app.ingest.repository import RejectionRepository
from app.ingest.schemas import ExplanationRead, RejectedRequestRead, Released
from app.web.routing import Router

router = Router(prefix="/integrations/{integration_id}", tags=["webhooks"])

SORTABLE = {"createdAt": "created_at"}
READ = [requires(Scope.EXECUTIONS_READ)]
WRITE = [requires(Scope.EXECUTIONS_WRITE)]


def get_release(request: Request, database: Transactions, keys: Keys, context: CurrentContext) -> Release:
    state = request.app.state
    return Release(database, keys, state.routes, state.verifier, state.ingest, context)


Releasing = Annotated[Release, Depends(get_release)]


@router.get("/handlers/{handler_id}/rejected-requests", dependencies=READ)
async def list_rejected_requests(
    integration_id: UUID, handler_id: UUID, session: Session, context: CurrentContext, paging: Paging
) -> list[RejectedRequestRead]:
    """Webhooks of the last 72 hours that failed verification."""
    handler = await HandlerRepository(session, context.tenant_id).get(handler_id)
    if handler.integration_id != integration_id:
        raise NotFound
    rows = RejectionRepository(session, context.tenant_id)
    page = await rows.page(rows.of_handler(handler_id), paging.asked(SORTABLE))
    return [RejectedRequestRead.of(row) for row in paging.answer(page)]


@router.get("/rejected-requests/{rejected_id}/explanation", dependencies=READ)
async def explain_rejected_request(
    integration_id: UUID, rejected_id: UUID, release: Releasing
) -> ExplanationRead:
    """Why the request was refused, and whether it would be with the configuration of today."""
    return ExplanationRead.of(await release.explain(integration_id, rejected_id))


@router.post("/rejected-requests/{rejected_id}/release", status_code=202, dependencies=WRITE)
async def release_rejected_request(
    integration_id: UUID, rejected_id: UUID, release: Releasing, response: Response
) -> Released:
    """Admit the request, if the configuration of today verifies it; its signature may have become old."""
    execution_id = await release.release(integration_id, rejected_id)
    response.headers["Location"] = f"/executions/{execution_id}"
    return Released(execution_id=execution_id)
