from typing import Annotated

from fastapi import Depends

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Sealing, Session
from app.connectors.dependencies import Service as Connectors
from app.oauth_clients.repository import OAuthClientRepository
from app.oauth_clients.service import OAuthClientService


def get_service(
    session: Session, context: CurrentContext, connectors: Connectors, sealer: Sealing, audit: Audit
) -> OAuthClientService:
    clients = OAuthClientRepository(session, context.tenant_id)
    return OAuthClientService(clients, connectors, sealer, audit)


Service = Annotated[OAuthClientService, Depends(get_service)]
