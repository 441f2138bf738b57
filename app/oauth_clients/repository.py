from app.db.repository import TenantRepository
from app.models import OAuthClient
from app.oauth_clients.errors import RegistrationChangedMeanwhile


class OAuthClientRepository(TenantRepository[OAuthClient]):
    model = OAuthClient
    conflicts = {"oauth_clients_tenant_id_connector_key": RegistrationChangedMeanwhile}

    async def find_of(self, connector: str) -> OAuthClient | None:
        query = self.select().where(OAuthClient.connector == connector)
        return (await self.session.scalars(query)).one_or_none()
