from typing import Annotated

from fastapi import Depends, Request

from app.auth.dependencies import CurrentContext, Transactions
from app.tools.service import ToolService


def get_service(request: Request, database: Transactions, context: CurrentContext) -> ToolService:
    return ToolService(database, request.app.state.library, context)


Service = Annotated[ToolService, Depends(get_service)]
