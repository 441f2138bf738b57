import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.connectors.catalogue import connectors
from app.connectors.definition import AuthKind, Connector
from app.connectors.errors import ConnectorUnknown
from app.core.pagination import Page, PageRequest

NO_ROW = UUID(int=0)
"""Stands in cursors where a row's id would."""


@dataclass(frozen=True, slots=True)
class ConnectorFilter:
    search: str | None = None
    """A part of name or slug, without regard to case."""
    category: str | None = None
    auth: AuthKind | None = None

    def covers(self, one: Connector) -> bool:
        wanted = (self.search or "").casefold()
        return (
            (wanted in one.name.casefold() or wanted in one.slug)
            and self.category in {None, *one.categories}
            and self.auth in {None, *one.auth.kinds}
        )


class ConnectorService:
    async def page(self, wanted: ConnectorFilter, request: PageRequest) -> Page[Connector]:
        """By slug."""
        known = await self._known()
        found = [one for one in known.values() if wanted.covers(one)]
        if request.order.descending:
            found.reverse()
        if request.after is not None:
            last = str(request.after[0])
            is_backward = request.order.descending
            found = [one for one in found if (one.slug < last if is_backward else one.slug > last)]
        rows = found[: request.limit]
        has_more = len(found) > request.limit
        return Page(rows, (rows[-1].slug, NO_ROW) if has_more else None)

    async def get(self, slug: str) -> Connector:
        """Raises ``ConnectorUnknown``."""
        found = (await self._known()).get(slug)
        if found is None:
            raise ConnectorUnknown
        return found

    async def _known(self) -> Mapping[str, Connector]:
        return await asyncio.to_thread(connectors)
