"""Where a webhook goes: tenant and handler name to all that is needed to admit it, cached, misses too."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.core.secret import Secret
from app.core.settings import Settings
from app.db.announced import AnnouncedCache, Changes
from app.db.session import Database
from app.executions.admission import Recipient, recipient_of
from app.executions.redaction import SENSITIVE_HEADERS
from app.handlers.verification import VERIFICATION, Verification, default_verification
from app.ingest.repository import PREVIOUS_SUFFIX, RouteRepository, find_active_tenant
from app.limits.limiter import Limiter
from app.limits.policy import Limits
from app.models import Handler, HandlerMode
from app.sealing.service import KeyCache, Sealer
from app.signatures.deduplication import delivery_headers
from app.signatures.presets import Preset
from app.signatures.quick import QuickCheck
from app.signatures.traces import sensitive_headers

CACHE_SIZE: Final = 50_000
DEFAULT_SECRET_KEY: Final = "WEBHOOK_SECRET"


@dataclass(frozen=True, slots=True)
class Route:
    """A handler that may be called.

    ``sensitive``: lower-case names of headers whose values are not kept. ``methods`` are the handler's,
    ``allowed`` those of its handshakes, too. ``previous_secrets`` stay valid while a secret is rotated.
    """

    recipient: Recipient
    name: str
    methods: frozenset[str]
    allowed: frozenset[str]
    is_sync: bool
    preset: Preset
    sensitive: frozenset[str]
    body_limit: int
    needs_json: bool
    """Whether a body that claims to be JSON has to be."""
    limits: Limits
    secret_key: str
    current_secrets: Sequence[Secret] = field(repr=False)
    previous_secrets: Sequence[Secret] = field(repr=False)
    verify_tokens: Sequence[Secret] = field(default=(), repr=False)
    secrets: Sequence[Secret] = field(init=False, repr=False)
    """Those that may have signed a request, the current one first."""
    is_plain: bool = field(init=False)
    """Whether a POST waits for nothing but its commit: no question, token, published key or upstream."""

    quick: QuickCheck | None = field(init=False, repr=False)
    delivery_headers: Sequence[str] | None = field(init=False)
    """As ``app.signatures.deduplication`` has them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "secrets", (*self.current_secrets, *self.previous_secrets))
        object.__setattr__(self, "quick", QuickCheck.of(self.preset, self.secrets))
        object.__setattr__(self, "delivery_headers", delivery_headers(self.preset))
        needs = self.preset.needs_access_token or self.preset.needs_keys
        is_plain = "POST" in self.methods and not (self.is_sync or self.asks or needs)
        object.__setattr__(self, "is_plain", is_plain)

    @property
    def asks(self) -> bool:
        """Whether its senders ask questions before they send."""
        return bool(self.preset.handshakes)

    @property
    def tenant_id(self) -> TenantId:
        return self.recipient.tenant_id

    @property
    def handler_id(self) -> UUID:
        return self.recipient.handler_id


class Routes:
    def __init__(
        self, database: Database, keys: KeyCache, changes: Changes, limiter: Limiter, settings: Settings
    ) -> None:
        self._database = database
        self._limiter = limiter
        self._keys = keys
        self._body_limit = settings.webhook_body_limit
        self._cache: AnnouncedCache[tuple[str, str], Route | None] = AnnouncedCache(changes, CACHE_SIZE)

    def known(self, tenant_slug: str, name: str) -> Route | None:
        """The route, if it is in the cache."""
        entry = self._cache.find((tenant_slug, name))
        return None if entry is None else entry.value

    async def find(self, tenant_slug: str, name: str) -> Route | None:
        """The route; None for an unknown, disabled or suspended one. Raises ``KeyUnavailable``."""
        entry = self._cache.find((tenant_slug, name))
        if entry is not None:
            return entry.value
        generation = self._cache.generation
        tenant_id, route = await self._load(tenant_slug, name)
        self._cache.keep((tenant_slug, name), tenant_id, route, generation=generation)
        return route

    async def _load(self, tenant_slug: str, name: str) -> tuple[TenantId | None, Route | None]:
        async with self._database.transaction(None) as session:
            tenant = await find_active_tenant(session, tenant_slug)
        if tenant is None:
            return None, None
        tenant_id = TenantId(tenant.id)
        async with self._database.transaction(tenant_id) as session:
            rows = RouteRepository(session, tenant_id)
            found = await rows.find_enabled(name)
            if found is None:
                return tenant_id, None
            handler, integration = found
            verification = _verification(handler)
            preset = verification.preset()
            secret_key = getattr(verification, "secret_key", DEFAULT_SECRET_KEY)
            values = await self._open(session, rows, handler, {secret_key, preset.verify_token_key})
        return tenant_id, Route(
            recipient=recipient_of(handler, integration.base_url),
            name=handler.name,
            methods=frozenset(handler.methods),
            allowed=frozenset(handler.methods) | preset.handshake_methods,
            is_sync=handler.mode == HandlerMode.SYNC,
            preset=preset,
            sensitive=SENSITIVE_HEADERS | sensitive_headers(preset),
            body_limit=handler.body_limit or self._body_limit,
            needs_json=handler.target["kind"] == "operation" and not handler.raw_body,
            limits=self._limiter.policy_of(handler, tenant),
            secret_key=secret_key,
            current_secrets=_of(values, secret_key),
            previous_secrets=_of(values, secret_key + PREVIOUS_SUFFIX),
            verify_tokens=_both(values, preset.verify_token_key),
        )

    async def _open(
        self, session: AsyncSession, rows: RouteRepository, handler: Handler, keys: Collection[str | None]
    ) -> Mapping[str, Secret]:
        """The secrets of those keys, and those that they replace."""
        sealer = Sealer(session, rows.tenant_id, self._keys)
        wanted = [name for key in keys if key is not None for name in (key, key + PREVIOUS_SUFFIX)]
        return {
            row.key: await sealer.open(row.sealed, "secrets", row.id)
            for row in await rows.secrets(handler.integration_id, wanted)
        }


def _verification(handler: Handler) -> Verification:
    if handler.verification is None:
        return default_verification(str(handler.target["kind"]))
    return VERIFICATION.validate_python(handler.verification)


def _of(values: Mapping[str, Secret], key: str) -> Sequence[Secret]:
    return (values[key],) if key in values else ()


def _both(values: Mapping[str, Secret], key: str | None) -> Sequence[Secret]:
    return () if key is None else (*_of(values, key), *_of(values, key + PREVIOUS_SUFFIX))
