import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.audit.recorder import AuditRecorder, Resource, difference
from app.connectors.catalogue import connectors
from app.connectors.definition import AuthKind, Connector
from app.connectors.errors import ConnectorNotValid, ConnectorUnknown, TooManyConnectors
from app.connectors.overlay import overlaid
from app.connectors.repository import TenantConnectorRepository
from app.core.pagination import Page, PageRequest
from app.db.base import Json
from app.db.precondition import Precondition
from app.models import AuditAction, TenantConnector

MOST_OF_A_TENANT = 200
NO_ROW = UUID(int=0)
"""Stands in cursors where a row's id would."""


class Origin(StrEnum):
    CATALOGUE = "catalogue"
    OVERLAY = "overlay"
    """The catalogue's, with changes of the tenant's."""
    PRIVATE = "private"
    """The tenant's own."""


@dataclass(frozen=True, slots=True)
class Known:
    """A connector as a tenant has it. ``row``: what the tenant changed."""

    connector: Connector
    row: TenantConnector | None = None
    is_in_catalogue: bool = True

    @property
    def origin(self) -> Origin:
        if self.row is None:
            return Origin.CATALOGUE
        return Origin.OVERLAY if self.is_in_catalogue else Origin.PRIVATE


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
    def __init__(self, own: TenantConnectorRepository, audit: AuditRecorder) -> None:
        self._own = own
        self._audit = audit

    async def page(self, wanted: ConnectorFilter, request: PageRequest) -> Page[Known]:
        """By slug."""
        known = _known(await asyncio.to_thread(connectors), await self._own.all())
        found = [one for one in known if wanted.covers(one.connector)]
        found.sort(key=lambda one: one.connector.slug, reverse=request.order.descending)
        if request.after is not None:
            last = str(request.after[0])
            is_backward = request.order.descending
            found = [
                one
                for one in found
                if (one.connector.slug < last if is_backward else one.connector.slug > last)
            ]
        rows = found[: request.limit]
        has_more = len(found) > request.limit
        return Page(rows, (rows[-1].connector.slug, NO_ROW) if has_more else None)

    async def get(self, slug: str) -> Known:
        """Raises ``ConnectorUnknown``."""
        below = (await asyncio.to_thread(connectors)).get(slug)
        row = await self._own.find_by_slug(slug)
        if row is not None and (known := _overlaid(below, row)) is not None:
            return known
        if below is None:
            raise ConnectorUnknown
        return Known(below)

    async def put(self, slug: str, record: Json, condition: Precondition) -> Known:
        """Keep what the tenant has otherwise; the same again leaves no record. Raises ``ConnectorNotValid``
        and ``TooManyConnectors``."""
        below = (await asyncio.to_thread(connectors)).get(slug)
        made = overlaid(slug, below, record)
        row = await self._own.find_by_slug(slug)
        before: Json = {}
        if row is None:
            if await self._own.count() >= MOST_OF_A_TENANT:
                raise TooManyConnectors
            row = TenantConnector(slug=slug, record=record)
            await self._own.add(row)
        else:
            condition.check(row)
            before, row.record = row.record, record
            await self._own.save(row)
        if changes := difference({"record": before}, {"record": record}):
            self._audit.record(AuditAction.CONNECTOR_CHANGED, _resource(row, made.name), changes)
        return Known(made, row, below is not None)

    async def delete(self, slug: str, condition: Precondition) -> None:
        """Back to what the catalogue has, if it has any. Raises ``ConnectorUnknown``."""
        row = await self._own.find_by_slug(slug)
        if row is None:
            raise ConnectorUnknown
        condition.check(row)
        changes = difference({"record": row.record}, {"record": {}})
        self._audit.record(AuditAction.CONNECTOR_REMOVED, _resource(row, slug), changes)
        await self._own.delete(row)


def _known(catalogue: Mapping[str, Connector], own: Iterable[TenantConnector]) -> list[Known]:
    known = {slug: Known(one) for slug, one in catalogue.items()}
    for row in own:
        if (one := _overlaid(catalogue.get(row.slug), row)) is not None:
            known[row.slug] = one
    return list(known.values())


def _overlaid(below: Connector | None, row: TenantConnector) -> Known | None:
    """None where a newer catalogue has what does not go together with the row any more."""
    try:
        return Known(overlaid(row.slug, below, row.record), row, below is not None)
    except ConnectorNotValid:
        return None


def _resource(row: TenantConnector, name: str) -> Resource:
    return Resource("connector", row.id, name)
