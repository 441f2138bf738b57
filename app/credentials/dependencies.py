from typing import Annotated

from fastapi import Depends, Response

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Sealing, Session
from app.auth.scopes import Scope, grants
from app.core.secret import Secret
from app.credentials.repository import CredentialRepository
from app.credentials.schemas import CredentialRead
from app.credentials.service import CredentialService
from app.events.dependencies import Events
from app.integrations.dependencies import Integrations
from app.models import Credential
from app.web.conditions import tagged


def get_credentials(session: Session, context: CurrentContext) -> CredentialRepository:
    return CredentialRepository(session, context.tenant_id)


Credentials = Annotated[CredentialRepository, Depends(get_credentials)]


def get_service(
    credentials: Credentials, integrations: Integrations, sealer: Sealing, audit: Audit, events: Events
) -> CredentialService:
    return CredentialService(credentials, integrations, sealer, audit, events)


Service = Annotated[CredentialService, Depends(get_service)]


def forbid_storing(response: Response) -> None:
    """The answer may hold plaintext: no cache may keep it (RFC 9111, section 5.2.2.5)."""
    response.headers["Cache-Control"] = "no-store"


class Written:
    """The answer to a write: plaintext to a caller who may read it, else the sealed form."""

    def __init__(self, context: CurrentContext, response: Response) -> None:
        self._may_read = grants(context.scopes, Scope.CREDENTIALS_READ)
        self._response = response

    def show(self, row: Credential, value: Secret) -> CredentialRead:
        return CredentialRead.of(tagged(row, self._response), value if self._may_read else None)


Answer = Annotated[Written, Depends()]
