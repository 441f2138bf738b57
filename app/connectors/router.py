from typing import Annotated

from fastapi import Path, Query, Response

from app.auth.dependencies import requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.connectors.definition import AuthKind
from app.connectors.dependencies import Service
from app.connectors.fields import SLUG
from app.connectors.schemas import ConnectorDetails, ConnectorPut, ConnectorRead
from app.connectors.service import ConnectorFilter, Known
from app.web.conditions import IfMatch, tagged
from app.web.routing import Router

router = Router(prefix="/connectors", tags=["connectors"])

SORTABLE = {"slug": "slug"}
READ = [requires(Scope.CONNECTORS_READ)]
WRITE = [requires(Scope.CONNECTORS_WRITE)]

Slug = Annotated[str, Path(max_length=100)]
NewSlug = Annotated[str, Path(pattern=SLUG)]
Search = Annotated[
    str | None, Query(max_length=255, description="Part of name or slug, without regard to case.")
]
Category = Annotated[str | None, Query(max_length=100)]
Auth = Annotated[AuthKind | None, Query(description="A way in that the connector has to offer.")]


@router.get("", dependencies=READ)
async def list_connectors(
    service: Service, paging: Paging, search: Search = None, category: Category = None, auth: Auth = None
) -> list[ConnectorRead]:
    """The catalogue as the tenant has it, by slug."""
    wanted = ConnectorFilter(search, category, auth)
    page = await service.page(wanted, paging.asked(SORTABLE, default="slug"))
    return [ConnectorRead.of(one) for one in paging.answer(page)]


@router.get("/{slug}", dependencies=READ)
async def get_connector(slug: Slug, service: Service, response: Response) -> ConnectorDetails:
    """All that is known of a provider, and what a person is asked for."""
    return _shown(await service.get(slug), response)


@router.put("/{slug}", dependencies=WRITE)
async def put_connector(
    slug: NewSlug, data: ConnectorPut, service: Service, condition: IfMatch, response: Response
) -> ConnectorDetails:
    """Have a connector otherwise than the catalogue, or one that it has not."""
    return _shown(await service.put(slug, data.record, condition), response)


@router.delete("/{slug}", status_code=204, dependencies=WRITE)
async def delete_connector(slug: Slug, service: Service, condition: IfMatch) -> None:
    """Back to the catalogue's."""
    await service.delete(slug, condition)


def _shown(known: Known, response: Response) -> ConnectorDetails:
    if known.row is not None:
        tagged(known.row, response)
    return ConnectorDetails.of(known)
