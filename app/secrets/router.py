from uuid import UUID

from fastapi import Response

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.idempotency.routing import IdempotentRoute
from app.secrets.dependencies import Service
from app.secrets.schemas import SecretCreate, SecretRead, SecretUpdate
from app.web.conditions import IfMatch, created, tagged
from app.web.routing import Router

router = Router(
    prefix="/integrations/{integration_id}/secrets", tags=["secrets"], route_class=IdempotentRoute
)

SORTABLE = {"key": "key", "createdAt": "created_at", "updatedAt": "updated_at"}
READ = [requires(Scope.SECRETS_READ)]
WRITE = [requires(Scope.SECRETS_WRITE)]


@router.get("", dependencies=READ)
async def list_secrets(integration_id: UUID, service: Service, paging: Paging) -> list[SecretRead]:
    page = await service.page(integration_id, paging.asked(SORTABLE))
    return [SecretRead.of(row) for row in paging.answer(page)]


@router.post("", status_code=201, dependencies=WRITE)
async def create_secret(
    integration_id: UUID, data: SecretCreate, service: Service, response: Response
) -> SecretRead:
    row = await service.create(integration_id, data)
    return SecretRead.of(created(row, response, f"/integrations/{integration_id}/secrets/{row.id}"))


@router.get("/{secret_id}", dependencies=READ)
async def get_secret(
    integration_id: UUID, secret_id: UUID, service: Service, response: Response
) -> SecretRead:
    return SecretRead.of(tagged(await service.get(integration_id, secret_id), response))


@router.put("/{secret_id}", dependencies=WRITE)
async def update_secret(
    integration_id: UUID,
    secret_id: UUID,
    data: SecretUpdate,
    service: Service,
    condition: IfMatch,
    response: Response,
) -> SecretRead:
    row = await service.update(integration_id, secret_id, data, condition)
    return SecretRead.of(tagged(row, response))


@router.delete("/{secret_id}", status_code=204, dependencies=WRITE)
async def delete_secret(integration_id: UUID, secret_id: UUID, service: Service, condition: IfMatch) -> None:
    await service.delete(integration_id, secret_id, condition)
