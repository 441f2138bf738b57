"""Calling a handler and waiting for its upstream, outside of any transaction."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from app.auth.dependencies import CurrentContext, Transactions, requires
from app.auth.scopes import Scope
from app.executions.manual import Address, ManualExecution
from app.executions.schemas import ExecuteRequest, ExecuteResult
from app.idempotency.routing import Key
from app.web.routing import Router

router = Router(tags=["executions"])

EXECUTE = [requires(Scope.HANDLERS_EXECUTE)]


def get_manual(request: Request, database: Transactions, context: CurrentContext) -> ManualExecution:
    return ManualExecution(database, request.app.state.executor, context)


Manual = Annotated[ManualExecution, Depends(get_manual)]
HandlerName = Annotated[str, Path(max_length=100)]


@router.post("/integrations/{integration_id}/handlers/{handler_id}/execute", dependencies=EXECUTE)
async def execute_handler(
    integration_id: UUID, handler_id: UUID, data: ExecuteRequest, manual: Manual, key: Key
) -> ExecuteResult:
    return await manual.run(Address(id=handler_id, integration_id=integration_id), data, key)


@router.post("/handlers/{name}/execute", dependencies=EXECUTE)
async def execute_handler_by_name(
    name: HandlerName, data: ExecuteRequest, manual: Manual, key: Key
) -> ExecuteResult:
    return await manual.run(Address(name=name), data, key)
