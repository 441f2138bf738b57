from typing import Annotated

from fastapi import Depends

from app.audit.recorder import AuditRecorder
from app.auth.dependencies import CurrentContext, Session


def get_audit(session: Session, context: CurrentContext) -> AuditRecorder:
    return AuditRecorder(session, context)


Audit = Annotated[AuditRecorder, Depends(get_audit)]
