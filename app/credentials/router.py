from uuid import UUID

from fastapi import Depends, Response

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.credentials.dependencies import Answer, Service, forbid_storing
from app.credentials.schemas import CredentialCreate, CredentialRead, CredentialUpdate
from app.idempotency.routing import IdempotentRoute
from app.web.conditions import IfMatch, tagged
from app.web.routing import Router

router = Router(
    prefix="/integrations/{integration_id}/credentials",
    tags=["credentials"],
    route_class=IdempotentRoute,
    dependencies=[Depends(forbid_storing)],
)

SORTABLE = {"key": "key", "createdAt": "created_at", "updatedAt": "updated_at"}
READ = [requires(Scope.CREDENTIALS_READ)]
WRITE = [requires(Scope.CREDENTIALS_WRITE)]


@router.get("", dependencies=READ)
async def list_credentials(integration_id: UUID, service: Service, paging: Paging) -> list[CredentialRead]:
    page = await service.page(integration_id, paging.asked(SORTABLE))
    return [CredentialRead.of(opened.row, opened.plaintext) for opened in paging.answer(page)]


@router.post("", status_code=201, dependencies=WRITE)
async def create_credential(
    integration_id: UUID, data: CredentialCreate, service: Service, answer: Answer, response: Response
) -> CredentialRead:
    row = await service.create(integration_id, data)
    response.headers["Location"] = f"/integrations/{integration_id}/credentials/{row.id}"
    return answer.show(row, data.value)


@router.get("/{credential_id}", dependencies=READ)
async def get_credential(
    integration_id: UUID, credential_id: UUID, service: Service, response: Response
) -> CredentialRead:
    opened = await service.get(integration_id, credential_id)
    return CredentialRead.of(tagged(opened.row, response), opened.plaintext)


@router.put("/{credential_id}", dependencies=WRITE)
async def update_credential(
    integration_id: UUID,
    credential_id: UUID,
    data: CredentialUpdate,
    service: Service,
    condition: IfMatch,
    answer: Answer,
) -> CredentialRead:
    row = await service.update(integration_id, credential_id, data, condition)
    return answer.show(row, data.value)


@router.delete("/{credential_id}", status_code=204, dependencies=WRITE)
async def delete_credential(
    integration_id: UUID, credential_id: UUID, service: Service, condition: IfMatch
) -> None:
    await service.delete(integration_id, credential_id, condition)
