from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from app.auth.dependencies import OPERATOR, Keys, OperatorOrigin, Transactions, ends_tokens, operator
from app.auth.paging import OperatorPaging
from app.idempotency.routing import Key
from app.models import Tenant
from app.tenants.schemas import TenantCreate, TenantRead, TenantUpdate
from app.tenants.service import TenantService
from app.web.conditions import IfMatch, created, tagged
from app.web.routing import Router

router = Router(prefix="/tenants", tags=["tenants"], dependencies=[Depends(operator)])


SORTABLE = {"slug": "slug", "createdAt": "created_at"}


def get_service(database: Transactions, keys: Keys, origin: OperatorOrigin) -> TenantService:
    return TenantService(database, keys, OPERATOR, origin)


Service = Annotated[TenantService, Depends(get_service)]


@router.get("", response_model=list[TenantRead])
async def list_tenants(service: Service, paging: OperatorPaging) -> Sequence[Tenant]:
    return paging.answer(await service.page(paging.asked(SORTABLE, "slug")))


@router.post("", response_model=TenantRead, status_code=201)
async def create_tenant(data: TenantCreate, service: Service, key: Key, response: Response) -> Tenant:
    tenant = await service.create(data, key)
    return created(tenant, response, f"/tenants/{tenant.id}")


@router.get("/{tenant_id}", response_model=TenantRead)
async def get_tenant(tenant_id: UUID, service: Service, response: Response) -> Tenant:
    return tagged(await service.get(tenant_id), response)


@router.put("/{tenant_id}", response_model=TenantRead, dependencies=[ends_tokens])
async def update_tenant(
    tenant_id: UUID, data: TenantUpdate, service: Service, condition: IfMatch, response: Response
) -> Tenant:
    return tagged(await service.update(tenant_id, data, condition), response)


@router.delete("/{tenant_id}", status_code=204, dependencies=[ends_tokens])
async def delete_tenant(tenant_id: UUID, service: Service, condition: IfMatch) -> None:
    await service.delete(tenant_id, condition)
