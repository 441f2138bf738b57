from typing import Annotated

from fastapi import Depends, Path, Query

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.connectors.definition import AuthKind
from app.connectors.schemas import ConnectorDetails, ConnectorRead
from app.connectors.service import ConnectorFilter, ConnectorService
from app.web.routing import Router

router = Router(prefix="/connectors", tags=["connectors"])

SORTABLE = {"slug": "slug"}
READ = [requires(Scope.CONNECTORS_READ)]

Service = Annotated[ConnectorService, Depends()]
Slug = Annotated[str, Path(max_length=100)]
Search = Annotated[
    str | None, Query(max_length=255, description="Part of name or slug, without regard to case.")
]
Category = Annotated[str | None, Query(max_length=100)]
Auth = Annotated[AuthKind | None, Query(description="A way in that the connector has to offer.")]


@router.get("", dependencies=READ)
async def list_connectors(
    service: Service, paging: Paging, search: Search = None, category: Category = None, auth: Auth = None
) -> list[ConnectorRead]:
    """The catalogue, by slug."""
    wanted = ConnectorFilter(search, category, auth)
    page = await service.page(wanted, paging.asked(SORTABLE, default="slug"))
    return [ConnectorRead.of(one) for one in paging.answer(page)]


@router.get("/{slug}", dependencies=READ)
async def get_connector(slug: Slug, service: Service) -> ConnectorDetails:
    """All that is known of a provider, and what a person is asked for."""
    return ConnectorDetails.of(await service.get(slug))
