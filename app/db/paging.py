"""A page of a list, from where the last one ended: no offset, so the last page costs what the first does."""

from typing import Any, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page, PageRequest

R = TypeVar("R")


async def fetch_page(
    session: AsyncSession, query: Select[R], model: type[R], request: PageRequest
) -> Page[R]:
    """The page of ``query``, in the order of ``request``; ties are broken by id."""
    entity: Any = model
    keys = (getattr(entity, request.order.column), entity.id)
    ordered = query.order_by(*(key.desc() if request.order.descending else key.asc() for key in keys))
    if request.after is not None:
        place = tuple_(*request.after)
        beyond = tuple_(*keys) < place if request.order.descending else tuple_(*keys) > place
        ordered = ordered.where(beyond)
    rows: list[Any] = [*(await session.scalars(ordered.limit(request.limit + 1))).all()]
    shown = rows[: request.limit]
    last = (getattr(shown[-1], request.order.column), shown[-1].id) if len(rows) > request.limit else None
    return Page(shown, last)
