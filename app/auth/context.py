"""Who asks, for which tenant, and what they may do."""

from dataclasses import dataclass
from uuid import UUID

from app.auth.errors import ScopeMissing
from app.auth.scopes import Scope, grants
from app.core.ids import TenantId


@dataclass(frozen=True, slots=True)
class Actor:
    """``type``: access_token, operator, webhook, worker or system."""

    type: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for the audit log."""

    request_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    tenant_id: TenantId
    tenant_slug: str
    actor: Actor
    scopes: frozenset[str] = frozenset()
    integration_id: UUID | None = None
    """The one integration that the token is bound to, if it is."""
    origin: Origin = Origin()

    def require(self, scope: Scope) -> None:
        """Raises ``ScopeMissing``."""
        if not grants(self.scopes, scope):
            raise ScopeMissing(f"This needs an access token with the scope {scope}.")
