"""A refused attempt is recorded before it is answered; one that cannot be recorded is answered with 503."""

import structlog
from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError

from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Context
from app.core.errors import Forbidden, Unavailable
from app.models import AuditAction, AuditOutcome
from app.web.problem import render

_log = structlog.get_logger(__name__)


async def record_denial(request: Request, error: Exception) -> Response:
    """Exception handler of ``Forbidden``. Its own transaction: that of the request was rolled back."""
    context: Context | None = getattr(request.state, "context", None)
    if context is None or not isinstance(error, Forbidden):
        return await render(request, error)
    route = getattr(request.scope.get("route"), "path", "")
    changes = {"method": request.method, "route": route, "code": error.code}
    try:
        async with request.app.state.database.transaction(context.tenant_id) as session:
            AuditRecorder(session, context).record(
                AuditAction.ACCESS_DENIED,
                Resource("route", route, integration_id=context.integration_id),
                changes,
                outcome=AuditOutcome.DENIED,
            )
    except (SQLAlchemyError, OSError):
        _log.exception("audit.denial_not_recorded")
        return await render(request, Unavailable(headers={"Retry-After": "1"}))
    return await render(request, error)
