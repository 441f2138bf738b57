"""Lists: ``limit``, ``cursor``, ``sort`` in, ``Link: <…>; rel="next"`` out. A cursor is the tenant's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response

from app.auth.dependencies import CurrentContext, OperatorOrigin
from app.core.pagination import CursorSigner, Page, PageRequest, parse_order

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class PageQuery:
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Query(max_length=2048, description="From the `Link` header.")] = None
    sort: Annotated[
        str | None, Query(max_length=64, description="A field; with a leading `-`, descending.")
    ] = None


class Pager:
    """The page that was asked for, and the answer to it. ``owner``: whose list it is."""

    def __init__(self, request: Request, response: Response, query: PageQuery, owner: str) -> None:
        self._request = request
        self._response = response
        self._query = query
        self._signer: CursorSigner = request.app.state.cursors
        self._filters = [
            (name, value)
            for name, value in request.query_params.multi_items()
            if name not in {"cursor", "limit"}
        ]
        self._scope = f"{owner} {request.url.path} {urlencode(sorted(self._filters))}"

    def asked(self, sortable: Mapping[str, str], default: str = "-createdAt") -> PageRequest:
        """``sortable``: wire name to column. Raises ``SortNotKnown`` and ``CursorNotValid``."""
        order = parse_order(self._query.sort or default, sortable)
        cursor = self._query.cursor
        after = None if cursor is None else self._signer.decode(cursor, self._scope)
        return PageRequest(self._query.limit, order, after)

    def answer(self, page: Page[T]) -> Sequence[T]:
        """The rows; the next page, if there is one, is announced in the headers."""
        if page.last is not None:
            cursor = self._signer.encode(page.last, self._scope)
            query = urlencode([*self._filters, ("limit", self._query.limit), ("cursor", cursor)])
            self._response.headers["Link"] = f'<{self._request.url.path}?{query}>; rel="next"'
        return page.rows


def get_pager(
    request: Request, response: Response, query: Annotated[PageQuery, Depends()], context: CurrentContext
) -> Pager:
    return Pager(request, response, query, str(context.tenant_id))


def get_operator_pager(
    request: Request, response: Response, query: Annotated[PageQuery, Depends()], _: OperatorOrigin
) -> Pager:
    return Pager(request, response, query, "operator")


Paging = Annotated[Pager, Depends(get_pager)]
OperatorPaging = Annotated[Pager, Depends(get_operator_pager)]
