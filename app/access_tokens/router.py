from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from app.access_tokens.repository import AccessTokenRepository
from app.access_tokens.schemas import AccessTokenCreate, AccessTokenCreated, AccessTokenRead
from app.access_tokens.service import AccessTokenService
from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Session, ends_tokens, operator, requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.core.secret import Secret
from app.events.dependencies import Events
from app.idempotency.routing import IdempotentRoute
from app.models import AccessToken
from app.web.routing import Router

router = Router(tags=["access tokens"], route_class=IdempotentRoute)

SORTABLE = {"name": "name", "createdAt": "created_at"}
READ = [requires(Scope.ACCESS_TOKENS_READ)]
WRITE = [requires(Scope.ACCESS_TOKENS_WRITE)]


def get_service(
    request: Request, session: Session, context: CurrentContext, audit: Audit, events: Events
) -> AccessTokenService:
    rows = AccessTokenRepository(session, context.tenant_id)
    return AccessTokenService(rows, audit, events, request.app.state.pepper)


Service = Annotated[AccessTokenService, Depends(get_service)]


@router.get("/access-tokens", response_model=list[AccessTokenRead], dependencies=READ)
async def list_access_tokens(service: Service, paging: Paging) -> Sequence[AccessToken]:
    return paging.answer(await service.page(paging.asked(SORTABLE)))


@router.post("/access-tokens", status_code=201, dependencies=WRITE)
async def create_access_token(
    data: AccessTokenCreate, service: Service, context: CurrentContext, response: Response
) -> AccessTokenCreated:
    return _shown_once(*await service.create(data, context.scopes), response)


@router.post("/tenants/{tenant_id}/access-tokens", status_code=201, dependencies=[Depends(operator)])
async def create_first_access_token(
    tenant_id: UUID,  # noqa: ARG001 -- read by `get_context`, described here
    data: AccessTokenCreate,
    service: Service,
    context: CurrentContext,
    response: Response,
) -> AccessTokenCreated:
    """For a tenant that has no token yet, or has lost all: a tenant's token needs another to be made."""
    return _shown_once(*await service.create(data, context.scopes), response)


@router.get("/access-tokens/{token_id}", response_model=AccessTokenRead, dependencies=READ)
async def get_access_token(token_id: UUID, service: Service) -> AccessToken:
    return await service.get(token_id)


@router.delete("/access-tokens/{token_id}", status_code=204, dependencies=[ends_tokens, *WRITE])
async def revoke_access_token(token_id: UUID, service: Service) -> None:
    await service.revoke(token_id)


def _shown_once(row: AccessToken, token: Secret, response: Response) -> AccessTokenCreated:
    response.headers.update({"Location": f"/access-tokens/{row.id}", "Cache-Control": "no-store"})
    shown = AccessTokenRead.model_validate(row).model_dump(exclude={"last_used_at"})
    return AccessTokenCreated(**shown, token=token.reveal())
