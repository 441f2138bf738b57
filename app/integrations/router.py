from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.idempotency.routing import IdempotentRoute
from app.integrations.dependencies import Service
from app.integrations.links import Link
from app.integrations.schemas import IntegrationCreate, IntegrationRead, IntegrationUpdate, LinkRead
from app.models import Integration
from app.web.conditions import IfMatch, created, tagged
from app.web.routing import Router

router = Router(prefix="/integrations", tags=["integrations"], route_class=IdempotentRoute)

SORTABLE = {"name": "folded_name", "createdAt": "created_at", "updatedAt": "updated_at"}
READ = [requires(Scope.INTEGRATIONS_READ)]
WRITE = [requires(Scope.INTEGRATIONS_WRITE)]

Search = Annotated[str | None, Query(max_length=255, description="Part of the name, without regard to case.")]


@router.get("", response_model=list[IntegrationRead], dependencies=READ)
async def list_integrations(service: Service, paging: Paging, search: Search = None) -> Sequence[Integration]:
    return paging.answer(await service.page(search, paging.asked(SORTABLE)))


@router.post("", response_model=IntegrationRead, status_code=201, dependencies=WRITE)
async def create_integration(data: IntegrationCreate, service: Service, response: Response) -> Integration:
    row = await service.create(data)
    return created(row, response, f"/integrations/{row.id}")


@router.get("/{integration_id}", response_model=IntegrationRead, dependencies=READ)
async def get_integration(integration_id: UUID, service: Service, response: Response) -> Integration:
    return tagged(await service.get(integration_id), response)


@router.put("/{integration_id}", response_model=IntegrationRead, dependencies=WRITE)
async def update_integration(
    integration_id: UUID, data: IntegrationUpdate, service: Service, condition: IfMatch, response: Response
) -> Integration:
    return tagged(await service.update(integration_id, data, condition), response)


@router.delete("/{integration_id}", status_code=204, dependencies=WRITE)
async def delete_integration(integration_id: UUID, service: Service, condition: IfMatch) -> None:
    await service.delete(integration_id, condition)


@router.post("/{integration_id}/enable", response_model=IntegrationRead, dependencies=WRITE)
async def enable_integration(integration_id: UUID, service: Service, response: Response) -> Integration:
    return tagged(await service.enable(integration_id), response)


@router.post("/{integration_id}/disable", response_model=IntegrationRead, dependencies=WRITE)
async def disable_integration(integration_id: UUID, service: Service, response: Response) -> Integration:
    return tagged(await service.disable(integration_id), response)


@router.get("/{integration_id}/links", response_model=list[LinkRead], dependencies=READ)
async def list_links(integration_id: UUID, service: Service) -> list[Link]:
    return await service.links(integration_id)
