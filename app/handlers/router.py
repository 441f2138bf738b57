from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.handlers.dependencies import Answer, Filter, Service
from app.handlers.schemas import HandlerCreate, HandlerRead, HandlerUpdate
from app.idempotency.routing import IdempotentRoute
from app.web.conditions import IfMatch
from app.web.routing import Router

router = Router(tags=["handlers"], route_class=IdempotentRoute)

SORTABLE = {"name": "name", "createdAt": "created_at", "updatedAt": "updated_at"}
READ = [requires(Scope.HANDLERS_READ)]
WRITE = [requires(Scope.HANDLERS_WRITE)]

OF_INTEGRATION = "/integrations/{integration_id}/handlers"


@router.get("/handlers", dependencies=READ)
async def list_all_handlers(
    service: Service,
    wanted: Filter,
    paging: Paging,
    answer: Answer,
    integration: Annotated[UUID | None, Query(alias="integrationId")] = None,
) -> list[HandlerRead]:
    wanted = replace(wanted, integration_id=integration)
    return answer.all(paging.answer(await service.page(wanted, paging.asked(SORTABLE))))


@router.get(OF_INTEGRATION, dependencies=READ)
async def list_handlers(
    integration_id: UUID, service: Service, wanted: Filter, paging: Paging, answer: Answer
) -> list[HandlerRead]:
    page = await service.page_in(integration_id, wanted, paging.asked(SORTABLE))
    return answer.all(paging.answer(page))


@router.post(OF_INTEGRATION, status_code=201, dependencies=WRITE)
async def create_handler(
    integration_id: UUID, data: HandlerCreate, service: Service, answer: Answer, response: Response
) -> HandlerRead:
    row = await service.create(integration_id, data)
    response.headers["Location"] = f"/integrations/{integration_id}/handlers/{row.id}"
    return answer.one(row)


@router.get(f"{OF_INTEGRATION}/{{handler_id}}", dependencies=READ)
async def get_handler(
    integration_id: UUID, handler_id: UUID, service: Service, answer: Answer
) -> HandlerRead:
    return answer.one(await service.get(integration_id, handler_id))


@router.put(f"{OF_INTEGRATION}/{{handler_id}}", dependencies=WRITE)
async def update_handler(
    integration_id: UUID,
    handler_id: UUID,
    data: HandlerUpdate,
    service: Service,
    condition: IfMatch,
    answer: Answer,
) -> HandlerRead:
    return answer.one(await service.update(integration_id, handler_id, data, condition))


@router.delete(f"{OF_INTEGRATION}/{{handler_id}}", status_code=204, dependencies=WRITE)
async def delete_handler(
    integration_id: UUID, handler_id: UUID, service: Service, condition: IfMatch
) -> None:
    await service.delete(integration_id, handler_id, condition)
