from app.core.errors import NotFound
from app.integrations.repository import BelongingRepository
from app.models import Secret
from app.secrets.errors import SecretKeyTaken


class SecretRepository(BelongingRepository[Secret]):
    model = Secret
    conflicts = {
        "secrets_tenant_id_integration_id_key_key": SecretKeyTaken,
        "secrets_tenant_id_integration_id_fkey": NotFound,
    }
