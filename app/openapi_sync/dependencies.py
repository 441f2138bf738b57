from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from app.auth.dependencies import CurrentContext, Transactions
from app.core.errors import Fault, TooLarge, Unprocessable
from app.core.settings import Settings
from app.openapi_sync.service import SyncService
from app.web.errors import UnsupportedMediaType

FORM = "multipart/form-data"
RAW = ("application/json", "application/yaml", "text/yaml", "text/plain", "application/octet-stream")
"""What the API's documentation lists; any other whose name ends in json, yaml or openapi is as good."""


def get_service(request: Request, database: Transactions, context: CurrentContext) -> SyncService:
    settings: Settings = request.app.state.settings
    return SyncService(database, request.app.state.fetch, context, document_limit=settings.document_limit)


Service = Annotated[SyncService, Depends(get_service)]


async def get_document(request: Request) -> bytes:
    """The document in the body: all of it, or the file ``document`` of a form.

    Raises ``UnsupportedMediaType``, ``TooLarge``, and ``Unprocessable`` for a form without that file.
    """
    essence = request.headers.get("content-type", RAW[-1]).partition(";")[0].strip().lower()
    if essence == FORM:
        raw = await _file_of_form(request)
    elif essence in RAW or essence.endswith(("json", "yaml", "openapi")):
        raw = await request.body()
    else:
        accepted = ", ".join((*RAW, FORM))
        raise UnsupportedMediaType("Send the document as JSON, YAML or a form.", headers={"Accept": accepted})
    limit = request.app.state.settings.document_limit
    if len(raw) > limit:
        raise TooLarge(f"The document is larger than {limit} bytes.")
    return raw


UploadedDocument = Annotated[bytes, Depends(get_document)]


async def _file_of_form(request: Request) -> bytes:
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("document")
        if isinstance(file, UploadFile):
            return await file.read()
    message = "The form needs a file field of this name."
    raise Unprocessable(errors=[Fault("/document", message)])
