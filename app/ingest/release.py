"""What a person does with a refused request: ask why, and let it in once it can be verified."""

from uuid import UUID

from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Context
from app.core.errors import NotFound
from app.db.session import Database
from app.handlers.repository import HandlerRepository
from app.ingest.errors import AlreadyReleased, NotReleasable, StillRefused
from app.ingest.inbound import Inbound
from app.ingest.quarantine import restore
from app.ingest.repository import RejectionRepository
from app.ingest.routes import Route, Routes
from app.ingest.service import Ingest
from app.ingest.verifier import Verifier
from app.models import AuditAction, RejectedRequest
from app.sealing.service import KeyCache, Sealer
from app.signatures.explanation import Explanation


class Release:
    """Holds no transaction while it verifies: a sender's keys may have to be fetched."""

    def __init__(
        self,
        database: Database,
        keys: KeyCache,
        routes: Routes,
        verifier: Verifier,
        ingest: Ingest,
        context: Context,
    ) -> None:
        self._database = database
        self._keys = keys
        self._routes = routes
        self._verifier = verifier
        self._ingest = ingest
        self._context = context

    async def explain(self, integration_id: UUID, id: UUID) -> Explanation:
        """What the handler's verification of today says of the request, as of the moment it came.

        Raises ``NotFound`` and ``NotReleasable``.
        """
        row, route, inbound = await self._read(integration_id, id)
        return await self._verifier.explain(route, inbound, row.created_at.timestamp())

    async def release(self, integration_id: UUID, id: UUID) -> UUID:
        """Admit it, if it can be verified by now, as if it came now; the execution's id.

        Raises ``NotFound``, ``NotReleasable``, ``StillRefused``, ``AlreadyReleased``, and what a webhook may
        be refused with.
        """
        row, route, inbound = await self._read(integration_id, id)
        if row.execution_id is not None:
            raise AlreadyReleased(extra={"executionId": str(row.execution_id)})
        reason = await self._verifier.refusal(route, inbound, row.created_at.timestamp())
        if reason is not None:
            raise StillRefused(extra={"reason": reason})
        inbound.request_id = self._context.origin.request_id
        execution_id = await self._ingest.admit_later(route, inbound, f"rejected:{id}")
        async with self._database.transaction(self._context.tenant_id) as session:
            rows = RejectionRepository(session, self._context.tenant_id)
            kept = await rows.get(id)
            kept.execution_id = execution_id
            await rows.flush()
            resource = Resource("rejected_request", id, integration_id=integration_id)
            AuditRecorder(session, self._context).record(
                AuditAction.REJECTED_REQUEST_RELEASED, resource, {"executionId": str(execution_id)}
            )
        return execution_id

    async def _read(self, integration_id: UUID, id: UUID) -> tuple[RejectedRequest, Route, Inbound]:
        async with self._database.transaction(self._context.tenant_id) as session:
            row = await RejectionRepository(session, self._context.tenant_id).get(id)
            handler = await HandlerRepository(session, self._context.tenant_id).get(row.handler_id)
            if handler.integration_id != integration_id:
                raise NotFound
            inbound = await restore(row, Sealer(session, self._context.tenant_id, self._keys))
        route = await self._routes.find(self._context.tenant_slug, handler.name)
        if route is None:
            raise NotReleasable
        return row, route, inbound
