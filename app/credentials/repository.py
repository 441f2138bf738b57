from app.core.errors import NotFound
from app.credentials.errors import CredentialKeyTaken
from app.integrations.repository import BelongingRepository
from app.models import Credential


class CredentialRepository(BelongingRepository[Credential]):
    model = Credential
    conflicts = {
        "credentials_tenant_id_integration_id_key_key": CredentialKeyTaken,
        "credentials_tenant_id_integration_id_fkey": NotFound,
    }
