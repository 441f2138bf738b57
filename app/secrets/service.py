from uuid import UUID

from app.audit.recorder import REDACTED, AuditRecorder, Resource
from app.core.ids import new_id
from app.core.pagination import Page, PageRequest
from app.db.precondition import Precondition
from app.events.publisher import EventPublisher
from app.integrations.repository import IntegrationRepository
from app.models import AuditAction, EventType, Secret
from app.sealing.service import Sealer
from app.secrets.repository import SecretRepository
from app.secrets.schemas import SecretCreate, SecretUpdate

TABLE = Secret.__tablename__


class SecretService:
    """Takes values in. It opens one only to see whether it would change, and gives none out."""

    def __init__(
        self,
        secrets: SecretRepository,
        integrations: IntegrationRepository,
        sealer: Sealer,
        audit: AuditRecorder,
        events: EventPublisher,
    ) -> None:
        self._secrets = secrets
        self._integrations = integrations
        self._sealer = sealer
        self._audit = audit
        self._events = events

    async def page(self, integration_id: UUID, request: PageRequest) -> Page[Secret]:
        await self._integrations.get(integration_id)
        return await self._secrets.page(self._secrets.of(integration_id), request)

    async def get(self, integration_id: UUID, id: UUID) -> Secret:
        return await self._secrets.get_in(integration_id, id)

    async def create(self, integration_id: UUID, data: SecretCreate) -> Secret:
        """Raises ``SecretKeyTaken``, and ``NotFound`` for an integration that is not there."""
        id = new_id()
        sealed = await self._sealer.seal(data.value, TABLE, id)
        row = Secret(id=id, integration_id=integration_id, key=data.key, sealed=sealed)
        await self._secrets.add(row)
        self._tell(AuditAction.SECRET_CREATED, row, row.version)
        return row

    async def update(
        self, integration_id: UUID, id: UUID, data: SecretUpdate, condition: Precondition
    ) -> Secret:
        """Seal the new value; the same value again is no change and leaves no record."""
        row = await self._secrets.get_in(integration_id, id)
        condition.check(row)
        if await self._sealer.open(row.sealed, TABLE, row.id) != data.value:
            row.sealed = await self._sealer.seal(data.value, TABLE, row.id)
            await self._secrets.save(row)
            self._tell(AuditAction.SECRET_UPDATED, row, row.version)
        return row

    async def delete(self, integration_id: UUID, id: UUID, condition: Precondition) -> None:
        row = await self._secrets.get_in(integration_id, id)
        condition.check(row)
        self._tell(AuditAction.SECRET_DELETED, row, row.version + 1)
        await self._secrets.delete(row)

    def _tell(self, action: AuditAction, row: Secret, sequence: int) -> None:
        resource = Resource("secret", row.id, row.key, row.integration_id)
        self._audit.record(action, resource, {"value": REDACTED})
        payload = {"key": row.key, "integration_id": str(row.integration_id)}
        self._events.publish(EventType(action), row.id, payload, sequence=sequence)
