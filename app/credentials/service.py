from dataclasses import dataclass
from uuid import UUID

from app.audit.recorder import REDACTED, AuditRecorder, Resource
from app.core.ids import new_id
from app.core.pagination import Page, PageRequest
from app.core.secret import Secret
from app.credentials.errors import CredentialIsManaged
from app.credentials.repository import CredentialRepository
from app.credentials.schemas import CredentialCreate, CredentialUpdate
from app.db.precondition import Precondition
from app.events.publisher import EventPublisher
from app.integrations.repository import IntegrationRepository
from app.models import AuditAction, Credential, CredentialSource, EventType
from app.sealing.service import Sealer

TABLE = Credential.__tablename__


@dataclass(frozen=True, slots=True)
class Opened:
    row: Credential
    plaintext: Secret


class CredentialService:
    """Takes values in, and gives them out on the record: who reads a credential leaves an audit row."""

    def __init__(
        self,
        credentials: CredentialRepository,
        integrations: IntegrationRepository,
        sealer: Sealer,
        audit: AuditRecorder,
        events: EventPublisher,
    ) -> None:
        self._credentials = credentials
        self._integrations = integrations
        self._sealer = sealer
        self._audit = audit
        self._events = events

    async def page(self, integration_id: UUID, request: PageRequest) -> Page[Opened]:
        """A page of opened credentials, with one audit row that names the keys."""
        integration = await self._integrations.get(integration_id)
        page = await self._credentials.page(self._credentials.of(integration_id), request)
        if page.rows:
            resource = Resource("integration", integration_id, integration.name, integration_id)
            keys = [row.key for row in page.rows]
            self._audit.record(AuditAction.CREDENTIAL_REVEALED, resource, {"keys": keys})
        return Page([await self._open(row) for row in page.rows], page.last)

    async def get(self, integration_id: UUID, id: UUID) -> Opened:
        row = await self._credentials.get_in(integration_id, id)
        self._audit.record(AuditAction.CREDENTIAL_REVEALED, resource(row))
        return await self._open(row)

    async def create(self, integration_id: UUID, data: CredentialCreate) -> Credential:
        """Raises ``CredentialKeyTaken``, and ``NotFound`` for an integration that is not there."""
        id = new_id()
        sealed = await self._sealer.seal(data.value, TABLE, id)
        row = Credential(id=id, integration_id=integration_id, key=data.key, sealed=sealed)
        await self._credentials.add(row)
        self._tell(AuditAction.CREDENTIAL_CREATED, row, row.version)
        return row

    async def update(
        self, integration_id: UUID, id: UUID, data: CredentialUpdate, condition: Precondition
    ) -> Credential:
        """Seal the new value; the same value again is no change and leaves no record."""
        row = await self._get_manual(integration_id, id, condition)
        if (await self._open(row)).plaintext != data.value:
            row.sealed = await self._sealer.seal(data.value, TABLE, row.id)
            await self._credentials.save(row)
            self._tell(AuditAction.CREDENTIAL_UPDATED, row, row.version)
        return row

    async def delete(self, integration_id: UUID, id: UUID, condition: Precondition) -> None:
        row = await self._get_manual(integration_id, id, condition)
        self._tell(AuditAction.CREDENTIAL_DELETED, row, row.version + 1)
        await self._credentials.delete(row)

    async def _get_manual(self, integration_id: UUID, id: UUID, condition: Precondition) -> Credential:
        """The row, if a person may change it. Raises ``CredentialIsManaged``."""
        row = await self._credentials.get_in(integration_id, id)
        condition.check(row)
        if row.source != CredentialSource.MANUAL:
            raise CredentialIsManaged
        return row

    async def _open(self, row: Credential) -> Opened:
        return Opened(row, await self._sealer.open(row.sealed, TABLE, row.id))

    def _tell(self, action: AuditAction, row: Credential, sequence: int) -> None:
        self._audit.record(action, resource(row), {"value": REDACTED})
        payload = {"key": row.key, "integration_id": str(row.integration_id)}
        self._events.publish(EventType(action), row.id, payload, sequence=sequence)


def resource(row: Credential) -> Resource:
    return Resource("credential", row.id, row.key, row.integration_id)
