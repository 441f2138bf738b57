from typing import Annotated

from fastapi import Path, Response

from app.auth.dependencies import requires
from app.auth.scopes import Scope
from app.models import OAuthClient
from app.oauth_clients.dependencies import Service
from app.oauth_clients.schemas import OAuthClientPut, OAuthClientRead
from app.web.conditions import IfMatch, tagged
from app.web.routing import Router

router = Router(prefix="/connectors/{slug}/client", tags=["connectors"])

READ = [requires(Scope.CONNECTORS_READ)]
WRITE = [requires(Scope.CONNECTORS_WRITE)]

Slug = Annotated[str, Path(max_length=100)]


@router.get("", dependencies=READ)
async def get_oauth_client(slug: Slug, service: Service, response: Response) -> OAuthClientRead:
    """What the provider knows the tenant as. Its secret is shown to nobody."""
    return _shown(await service.get(slug), response)


@router.put("", dependencies=WRITE)
async def put_oauth_client(
    slug: Slug, data: OAuthClientPut, service: Service, condition: IfMatch, response: Response
) -> OAuthClientRead:
    """Keep the registration that the provider gave out. The secret is sealed."""
    return _shown(await service.put(slug, data, condition), response)


@router.delete("", status_code=204, dependencies=WRITE)
async def delete_oauth_client(slug: Slug, service: Service, condition: IfMatch) -> None:
    """Nothing can be connected or refreshed with it any more."""
    await service.delete(slug, condition)


def _shown(row: OAuthClient, response: Response) -> OAuthClientRead:
    return OAuthClientRead.of(tagged(row, response))
