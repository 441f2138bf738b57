"""What a handler's executions have in common, read once and not once per execution."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.core.secret import Secret as Plaintext
from app.credentials.repository import CredentialRepository
from app.db.announced import AnnouncedCache, Changes
from app.executions.outgoing import Values
from app.executions.redaction import Redactors
from app.executions.rules import RuleBook, Rules
from app.handlers.arguments import Policy, policy
from app.handlers.repository import HandlerRepository
from app.handlers.targets import TARGET, OperationTarget, Target, parameter_names
from app.integrations.repository import IntegrationRepository
from app.models import Credential, Handler, HandlerSource, Secret
from app.sealing.service import KeyCache, Sealer
from app.secrets.repository import SecretRepository

SIZE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    target: Target
    policy: Policy
    base_url: str | None
    default_args: Mapping[str, object] = field(repr=False)
    values: Values = field(repr=False)
    redactors: Redactors
    rules: Rules | None = None
    """None where arguments are not checked."""


class Plans:
    """By handler. Changes of handler, integration, secret, credential or document are heard of within a
    second."""

    def __init__(self, keys: KeyCache, changes: Changes, rules: RuleBook | None = None) -> None:
        self._keys = keys
        self._rules = rules
        self._cache: AnnouncedCache[UUID, Plan] = AnnouncedCache(changes, SIZE)

    def find(self, tenant_id: TenantId, handler_id: UUID) -> Plan | None:
        """What is known without asking."""
        entry = self._cache.find(handler_id)
        return entry.value if entry is not None and entry.tenant_id == tenant_id else None

    async def get(self, session: AsyncSession, tenant_id: TenantId, handler_id: UUID) -> Plan:
        """Raises ``NotFound`` and ``KeyUnavailable``. ``session``: the tenant's."""
        known = self.find(tenant_id, handler_id)
        if known is not None:
            return known
        generation = self._cache.generation
        plan = await self._read(session, tenant_id, handler_id)
        self._cache.keep(handler_id, tenant_id, plan, generation=generation)
        return plan

    async def _read(self, session: AsyncSession, tenant_id: TenantId, handler_id: UUID) -> Plan:
        handler = await HandlerRepository(session, tenant_id).get(handler_id)
        integration = await IntegrationRepository(session, tenant_id).get(handler.integration_id)
        target = TARGET.validate_python(handler.target)
        sealer = Sealer(session, tenant_id, self._keys)
        secrets = await SecretRepository(session, tenant_id).list_of(integration.id)
        credentials = await CredentialRepository(session, tenant_id).list_of(integration.id)
        values = Values(
            credentials={row.key: await _open(sealer, row) for row in credentials},
            secrets={row.key: await _open(sealer, row) for row in secrets},
        )
        return Plan(
            target=target,
            policy=policy(handler.default_args, parameter_names(target)),
            base_url=integration.base_url,
            default_args=handler.default_args,
            values=values,
            redactors=Redactors((*values.credentials.values(), *values.secrets.values())),
            rules=await self._rules_of(session, handler, target),
        )

    async def _rules_of(self, session: AsyncSession, handler: Handler, target: Target) -> Rules | None:
        if self._rules is None or not handler.validate_args or handler.source != HandlerSource.OPENAPI:
            return None
        if not isinstance(target, OperationTarget):
            return None
        return await self._rules.of(session, handler.tenant_id, handler.integration_id, target)


async def _open(sealer: Sealer, row: Secret | Credential) -> Plaintext:
    return await sealer.open(row.sealed, row.__tablename__, row.id)
