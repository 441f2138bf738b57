from typing import Annotated

from fastapi import Depends

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Sealing, Session
from app.events.dependencies import Events
from app.integrations.dependencies import Integrations
from app.secrets.repository import SecretRepository
from app.secrets.service import SecretService


def get_secrets(session: Session, context: CurrentContext) -> SecretRepository:
    return SecretRepository(session, context.tenant_id)


Secrets = Annotated[SecretRepository, Depends(get_secrets)]


def get_service(
    secrets: Secrets, integrations: Integrations, sealer: Sealing, audit: Audit, events: Events
) -> SecretService:
    return SecretService(secrets, integrations, sealer, audit, events)


Service = Annotated[SecretService, Depends(get_service)]
