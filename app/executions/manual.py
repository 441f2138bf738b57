"""A person or a system calls a handler and waits for the upstream. Holds no transaction meanwhile."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Context
from app.core import clock
from app.core.errors import NotFound, UpstreamFailed
from app.db.session import Database
from app.executions.admission import NewExecution, Received, hold, recipient_of
from app.executions.bodies import parsed
from app.executions.caller import Outcome
from app.executions.errors import ExecutionInterrupted, ExecutionRunning, HandlerDisabled
from app.executions.executor import Executor
from app.executions.repository import ExecutionRepository
from app.executions.schemas import ExecuteRequest, ExecuteResult
from app.handlers.repository import HandlerRepository
from app.idempotency.errors import IdempotencyKeyReused
from app.integrations.repository import IntegrationRepository
from app.models import Attempt, AuditAction, ExecutionStatus, Handler, Integration, Trigger

STORED = 202
"""The status of a handler that has no upstream: the request was kept."""


@dataclass(frozen=True, slots=True)
class Address:
    """A handler by its id, within an integration where that is named; or by its name."""

    id: UUID | None = None
    integration_id: UUID | None = None
    name: str | None = None


class ManualExecution:
    def __init__(self, database: Database, executor: Executor, context: Context) -> None:
        self._database = database
        self._executor = executor
        self._context = context

    async def run(self, address: Address, data: ExecuteRequest, key: str | None = None) -> ExecuteResult:
        """Raises ``NotFound``, ``HandlerDisabled``, what ``build`` raises, and ``UpstreamFailed``.

        With a ``key`` that was used before, the first result again; raises ``ExecutionRunning`` until there
        is one, and ``IdempotencyKeyReused`` for another request.
        """
        new, first_id = await self._admit(address, data, key)
        if first_id != new.id:
            return await self._first_result(first_id, new.received)
        outcome = await self._executor.run(new.claim)
        if outcome is None:
            raise ExecutionInterrupted(extra={"executionId": str(new.id)})
        return _result(new.id, outcome)

    async def _admit(
        self, address: Address, data: ExecuteRequest, key: str | None
    ) -> tuple[NewExecution, UUID]:
        """The execution, and the id of the one that is there: another one's where the key was used before."""
        origin = self._context.origin
        dedup_key = None if key is None else f"execute:{sha256(key.encode()).hexdigest()}"
        async with self._database.transaction(self._context.tenant_id) as session:
            handler, integration = await self._find(session, address)
            received = data.received(origin.request_id, origin.ip)
            recipient = recipient_of(handler, integration.base_url)
            new = hold(recipient, Trigger.MANUAL, received, key=dedup_key)
            id = await ExecutionRepository(session, self._context.tenant_id).admit(new)
            if id == new.id:
                resource = Resource("handler", handler.id, handler.name, handler.integration_id)
                audit = AuditRecorder(session, self._context)
                audit.record(AuditAction.HANDLER_EXECUTED, resource, {"executionId": str(id)})
        return new, id

    async def _first_result(self, id: UUID, repeated: Received) -> ExecuteResult:
        async with self._database.transaction(self._context.tenant_id) as session:
            executions = ExecutionRepository(session, self._context.tenant_id)
            first = await executions.get(id)
            attempt = await executions.last_answer(id)
        if (first.method, first.query, first.body) != (repeated.method, repeated.query, repeated.body):
            raise IdempotencyKeyReused
        extra = {"executionId": str(id)}
        if first.finished_at is None:
            raise ExecutionRunning(headers={"Retry-After": "1"}, extra=extra)
        if attempt is None and first.status != ExecutionStatus.SUCCEEDED:
            raise UpstreamFailed(first.status_reason, extra=extra)
        return _answered(id, attempt, first.finished_at)

    async def _find(self, session: AsyncSession, address: Address) -> tuple[Handler, Integration]:
        handlers = HandlerRepository(session, self._context.tenant_id)
        handler = (
            await handlers.get(address.id)
            if address.id is not None
            else await handlers.get_by_name(address.name or "")
        )
        if address.integration_id not in {None, handler.integration_id}:
            raise NotFound
        integration = await IntegrationRepository(session, self._context.tenant_id).get(
            handler.integration_id
        )
        if not (handler.enabled and integration.enabled):
            raise HandlerDisabled
        return handler, integration


def _result(id: UUID, outcome: Outcome) -> ExecuteResult:
    if outcome.failure is not None:
        outcome.failure.extra["executionId"] = str(id)
        raise outcome.failure
    return ExecuteResult(
        status_code=outcome.status_code or STORED,
        body=parsed(outcome.body, outcome.content_type),
        timestamp=clock.now(),
        execution_id=id,
    )


def _answered(id: UUID, attempt: Attempt | None, at: datetime) -> ExecuteResult:
    if attempt is None:
        return ExecuteResult(status_code=STORED, body=None, timestamp=at, execution_id=id)
    return ExecuteResult(
        status_code=attempt.status_code or STORED,
        body=parsed(attempt.response_body or b"", attempt.content_type),
        timestamp=at,
        execution_id=id,
    )
