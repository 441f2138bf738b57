from app.audit.recorder import REDACTED, AuditRecorder, Resource, difference
from app.connectors.service import ConnectorService
from app.core.ids import new_id
from app.core.secret import Secret
from app.db.base import Json
from app.db.precondition import Precondition
from app.models import AuditAction, OAuthClient
from app.oauth_clients.errors import ConnectorTakesNoClient, RegistrationMissing
from app.oauth_clients.repository import OAuthClientRepository
from app.oauth_clients.schemas import OAuthClientPut
from app.sealing.service import Sealer

TABLE = OAuthClient.__tablename__


class OAuthClientService:
    """Takes a client in; its secret is opened only to see whether it would change."""

    def __init__(
        self,
        clients: OAuthClientRepository,
        connectors: ConnectorService,
        sealer: Sealer,
        audit: AuditRecorder,
    ) -> None:
        self._clients = clients
        self._connectors = connectors
        self._sealer = sealer
        self._audit = audit

    async def get(self, connector: str) -> OAuthClient:
        """Raises ``RegistrationMissing``."""
        row = await self._clients.find_of(connector)
        if row is None:
            raise RegistrationMissing
        return row

    async def put(self, connector: str, data: OAuthClientPut, condition: Precondition) -> OAuthClient:
        """Raises ``ConnectorUnknown`` and ``ConnectorTakesNoClient``. The same again leaves no record."""
        auth = (await self._connectors.get(connector)).connector.auth
        if auth.oauth2 is None and auth.oauth1 is None:
            raise ConnectorTakesNoClient
        row = await self._clients.find_of(connector)
        if row is None:
            return await self._create(connector, data)
        condition.check(row)
        before, is_new_secret = snapshot(row), await self._has_other_secret(row, data)
        if is_new_secret:
            row.sealed = await self._sealed(row, data.client_secret)
        row.generation += is_new_secret or row.client_id != data.client_id
        row.client_id, row.scopes = data.client_id, data.scopes
        changes = difference(before, snapshot(row)) | ({"client_secret": REDACTED} if is_new_secret else {})
        if changes:
            await self._clients.save(row)
            self._audit.record(AuditAction.OAUTH_CLIENT_UPDATED, resource(row), changes)
        return row

    async def delete(self, connector: str, condition: Precondition) -> None:
        """Raises ``RegistrationMissing``."""
        row = await self.get(connector)
        condition.check(row)
        self._audit.record(AuditAction.OAUTH_CLIENT_DELETED, resource(row), difference(snapshot(row), {}))
        await self._clients.delete(row)

    async def _create(self, connector: str, data: OAuthClientPut) -> OAuthClient:
        row = OAuthClient(id=new_id(), connector=connector, client_id=data.client_id, scopes=data.scopes)
        row.sealed = await self._sealed(row, data.client_secret)
        await self._clients.add(row)
        self._audit.record(AuditAction.OAUTH_CLIENT_CREATED, resource(row), difference({}, snapshot(row)))
        return row

    async def _has_other_secret(self, row: OAuthClient, data: OAuthClientPut) -> bool:
        if "client_secret" not in data.model_fields_set:
            return False
        if row.sealed is None or data.client_secret is None:
            return (row.sealed is None) != (data.client_secret is None)
        return await self._sealer.open(row.sealed, TABLE, row.id) != data.client_secret

    async def _sealed(self, row: OAuthClient, secret: Secret | None) -> bytes | None:
        return None if secret is None else await self._sealer.seal(secret, TABLE, row.id)


def snapshot(row: OAuthClient) -> Json:
    return {"client_id": row.client_id, "scopes": row.scopes}


def resource(row: OAuthClient) -> Resource:
    return Resource("oauth_client", row.id, row.connector)
