from uuid import UUID

from app.audit.recorder import AuditRecorder, Resource
from app.core import clock
from app.core.errors import NotFound
from app.core.pagination import Page, PageRequest
from app.executions.admission import Received, queue, recipient_of
from app.executions.errors import ExecutionFinished, ExecutionRunning, HandlerDisabled
from app.executions.repository import ExecutionFilter, ExecutionRepository
from app.executions.schemas import AttemptRead, ExecutionRead
from app.handlers.repository import HandlerRepository
from app.integrations.repository import IntegrationRepository
from app.models import AuditAction, Execution, ExecutionStatus, Trigger


class ExecutionService:
    """Looking at executions, and what a person does with one."""

    def __init__(
        self,
        executions: ExecutionRepository,
        handlers: HandlerRepository,
        integrations: IntegrationRepository,
        audit: AuditRecorder,
    ) -> None:
        self._executions = executions
        self._handlers = handlers
        self._integrations = integrations
        self._audit = audit

    async def page(self, wanted: ExecutionFilter, request: PageRequest) -> Page[Execution]:
        if wanted.integration_id is not None:
            await self._integrations.get(wanted.integration_id)
        return await self._executions.page(self._executions.matching(wanted), request)

    async def get(self, id: UUID) -> ExecutionRead:
        row = await self._executions.get(id)
        attempts = [AttemptRead.of(attempt) for attempt in await self._executions.attempts(id)]
        return ExecutionRead.of(row, attempts)

    async def replay(self, id: UUID, request_id: str | None) -> Execution:
        """Run the same request again, as a new execution. Raises ``HandlerDisabled``."""
        original = await self._executions.get(id)
        handler = await self._handlers.get(original.handler_id)
        integration = await self._integrations.get(original.integration_id)
        if not (handler.enabled and integration.enabled):
            raise HandlerDisabled
        received = Received(
            method=original.method,
            query=original.query,
            headers=[(name, value) for name, value in original.headers],
            body=original.body,
            peer=original.peer,
            request_id=request_id,
        )
        recipient = recipient_of(handler, integration.base_url)
        new = queue(recipient, Trigger.REPLAY, received, replay_of=original.id)
        row = await self._executions.get(await self._executions.admit(new))
        self._audit.record(AuditAction.EXECUTION_REPLAYED, _resource(row), {"replayOf": str(original.id)})
        return row

    async def cancel(self, id: UUID) -> Execution:
        """Stop what waits for its next attempt. Raises ``ExecutionFinished`` and ``ExecutionRunning``."""
        row = await self._executions.lock(id)
        if row is None:
            raise NotFound
        if row.status == ExecutionStatus.RUNNING:
            raise ExecutionRunning
        if row.status != ExecutionStatus.QUEUED:
            raise ExecutionFinished
        row.status, row.due_at, row.finished_at = ExecutionStatus.CANCELLED, None, clock.now()
        await self._executions.save(row)
        self._audit.record(AuditAction.EXECUTION_CANCELLED, _resource(row))
        return row


def _resource(row: Execution) -> Resource:
    return Resource("execution", row.id, integration_id=row.integration_id)
