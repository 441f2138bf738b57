from typing import Annotated

from fastapi import Depends

from app.audit.dependencies import Audit
from app.auth.dependencies import CurrentContext, Session
from app.connectors.repository import TenantConnectorRepository
from app.connectors.service import ConnectorService


def get_service(session: Session, context: CurrentContext, audit: Audit) -> ConnectorService:
    return ConnectorService(TenantConnectorRepository(session, context.tenant_id), audit)


Service = Annotated[ConnectorService, Depends(get_service)]
