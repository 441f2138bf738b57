from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from app.auth.dependencies import requires
from app.auth.scopes import Scope
from app.openapi_sync.dependencies import FORM, RAW, Service, UploadedDocument
from app.openapi_sync.schemas import SyncRequest, SyncResult, UploadQuery
from app.web.routing import Router

router = Router(prefix="/integrations/{integration_id}/sync-handlers", tags=["sync"])

WRITE = [requires(Scope.HANDLERS_WRITE)]

DryRun = Annotated[bool, Query(alias="dryRun", description="Answer with the plan, and write nothing.")]

_TEXT: dict[str, object] = {"schema": {"type": "string"}}
_FILE: dict[str, object] = {
    "schema": {
        "type": "object",
        "properties": {"document": {"type": "string", "contentMediaType": "application/octet-stream"}},
        "required": ["document"],
    }
}
DOCUMENT_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {**dict.fromkeys(RAW, _TEXT), FORM: _FILE}}
}


@router.post("", response_model_exclude_unset=True, dependencies=WRITE)
async def sync_handlers(
    integration_id: UUID, data: SyncRequest, service: Service, response: Response, *, dry_run: DryRun = False
) -> SyncResult:
    """One handler per operation of the OpenAPI document at an address; a `Warning` header tells of missing
    operations."""
    return _answer(await service.sync(integration_id, data, data.options(dry_run=dry_run)), response)


@router.post("/document", response_model_exclude_unset=True, dependencies=WRITE, openapi_extra=DOCUMENT_BODY)
async def sync_handlers_from_upload(
    integration_id: UUID,
    document: UploadedDocument,
    query: Annotated[UploadQuery, Query()],
    service: Service,
    response: Response,
) -> SyncResult:
    """One handler per operation of the OpenAPI document in the body: JSON, YAML, or the file `document` of a
    form; a `Warning` header tells of missing operations."""
    return _answer(await service.sync_upload(integration_id, document, query.options()), response)


def _answer(result: SyncResult, response: Response) -> SyncResult:
    """299 is "miscellaneous persistent warning" (RFC 7234, section 5.5; obsolete, but what tools show)."""
    if result.missing:
        response.headers["Warning"] = (
            f'299 - "handlers without an operation in the document: {result.missing}"'
        )
    return result
