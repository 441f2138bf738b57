from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse

from app.audit.dependencies import Audit
from app.audit.repository import AuditFilter, AuditRepository
from app.audit.schemas import AuditRead
from app.audit.service import AuditLog
from app.auth.dependencies import CurrentContext, Session, Transactions, requires
from app.auth.paging import Paging
from app.auth.scopes import Scope
from app.web.routing import Router
from app.web.schemas import Moment

router = Router(tags=["audit log"])

SORTABLE = {"createdAt": "created_at"}
READ = [requires(Scope.AUDIT_READ)]

_LINES = {"schema": {"type": "string"}}
Text = Annotated[str | None, Query(max_length=255)]
Format = Annotated[
    Literal["json", "ndjson", "csv"], Query(description="`ndjson` and `csv` stream all of it.")
]


def get_filter(
    integration: Annotated[UUID | None, Query(alias="integrationId")] = None,
    actor: Text = None,
    action: Text = None,
    resource: Text = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> AuditFilter:
    return AuditFilter(integration, actor, action, resource, since, until)


def get_log(session: Session, context: CurrentContext, audit: Audit, database: Transactions) -> AuditLog:
    return AuditLog(AuditRepository(session, context.tenant_id), audit, database)


EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": _LINES, "text/csv": _LINES}, "description": "Newest first."}
}

Filter = Annotated[AuditFilter, Depends(get_filter)]
Log = Annotated[AuditLog, Depends(get_log)]


@router.get("/audit-logs", response_model=list[AuditRead], responses=EXPORTED, dependencies=READ)
async def list_audit_logs(
    log: Log, wanted: Filter, paging: Paging, format: Format = "json"
) -> list[AuditRead] | Response:
    if format != "json":
        return _stream(await log.export(wanted, format), format)
    return [*paging.answer(await log.page(wanted, paging.asked(SORTABLE)))]


@router.get(
    "/integrations/{integration_id}/audit-logs",
    response_model=list[AuditRead],
    responses=EXPORTED,
    dependencies=READ,
)
async def list_integration_audit_logs(
    integration_id: UUID, log: Log, wanted: Filter, paging: Paging, format: Format = "json"
) -> list[AuditRead] | Response:
    wanted = await log.of_integration(integration_id, wanted)
    if format != "json":
        return _stream(await log.export(wanted, format), format)
    return [*paging.answer(await log.page(wanted, paging.asked(SORTABLE)))]


def _stream(lines: object, format: str) -> StreamingResponse:
    media_type = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
    disposition = f'attachment; filename="audit-log.{format}"'
    return StreamingResponse(lines, media_type=media_type, headers={"Content-Disposition": disposition})  # type: ignore[arg-type]
