from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Session
from app.core.settings import Settings
from app.events.dependencies import Events
from app.handlers.repository import HandlerFilter, HandlerRepository
from app.handlers.schemas import HandlerRead
from app.handlers.service import HandlerService
from app.integrations.dependencies import Integrations
from app.models import Handler
from app.web.conditions import tagged


def get_handlers(session: Session, context: CurrentContext) -> HandlerRepository:
    return HandlerRepository(session, context.tenant_id)


Handlers = Annotated[HandlerRepository, Depends(get_handlers)]


def get_service(
    handlers: Handlers, integrations: Integrations, audit: Audit, events: Events
) -> HandlerService:
    return HandlerService(handlers, integrations, audit, events)


Service = Annotated[HandlerService, Depends(get_service)]


def get_filter(
    search: Annotated[str | None, Query(max_length=100, description="Part of the name.")] = None,
    enabled: Annotated[bool | None, Query()] = None,
) -> HandlerFilter:
    return HandlerFilter(search=search, enabled=enabled)


Filter = Annotated[HandlerFilter, Depends(get_filter)]


class Presenter:
    """Shows handlers, each with the address at which outside systems call it."""

    def __init__(self, request: Request, response: Response, context: CurrentContext) -> None:
        settings: Settings = request.app.state.settings
        base = str(settings.public_url or request.base_url).rstrip("/")
        self._webhooks = f"{base}/webhook/{context.tenant_slug}"
        self._response = response

    def all(self, rows: Sequence[Handler]) -> list[HandlerRead]:
        return [HandlerRead.of(row, self._webhooks) for row in rows]

    def one(self, row: Handler) -> HandlerRead:
        """With its ``ETag`` on the answer."""
        return HandlerRead.of(tagged(row, self._response), self._webhooks)


Answer = Annotated[Presenter, Depends()]
