from typing import Annotated

from fastapi import Depends

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Session
from app.events.dependencies import Events
from app.integrations.repository import IntegrationRepository
from app.integrations.service import IntegrationService


def get_integrations(session: Session, context: CurrentContext) -> IntegrationRepository:
    return IntegrationRepository(session, context.tenant_id)


Integrations = Annotated[IntegrationRepository, Depends(get_integrations)]
"""For the features below an integration, which must first see that it is there."""


def get_service(integrations: Integrations, audit: Audit, events: Events) -> IntegrationService:
    return IntegrationService(integrations, audit, events)


Service = Annotated[IntegrationService, Depends(get_service)]
