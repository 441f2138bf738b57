"""Answers what senders ask of an address before they send to it, and does what an answer promises."""

from app.audit.recorder import AuditRecorder
from app.auth.context import Actor, Context, Origin
from app.core.egress.fetch import FetchClient
from app.core.secret import Secret
from app.db.session import Database
from app.events.publisher import EventPublisher
from app.ingest.inbound import Inbound, Reply
from app.ingest.routes import Route
from app.integrations.repository import IntegrationRepository
from app.sealing.service import KeyCache, Sealer
from app.secrets.errors import SecretKeyTaken
from app.secrets.repository import SecretRepository
from app.secrets.schemas import SecretCreate
from app.secrets.service import SecretService
from app.signatures.handshakes import answer

MAX_CONFIRMATION_BYTES = 64 * 1024
CONFIRMATION_TIMEOUT_S = 5.0


class Handshakes:
    def __init__(self, database: Database, keys: KeyCache, fetch: FetchClient) -> None:
        self._database = database
        self._keys = keys
        self._fetch = fetch

    async def reply(self, route: Route, inbound: Inbound, *, is_verified: bool) -> Reply | None:
        """None for an ordinary delivery. Raises what ``FetchClient.fetch`` does, where the answer is a visit.

        Asked twice, before and after the request was verified: see ``app.signatures.handshakes``.
        """
        found = answer(
            route.preset,
            inbound.signed(),
            route.secrets,
            is_verified=is_verified,
            verify_tokens=route.verify_tokens,
        )
        if found is None:
            return None
        if found.store is not None and not await self._store(route, inbound, found.store):
            return None
        if found.confirm_url is not None:
            await self._fetch.fetch(
                found.confirm_url,
                max_bytes=MAX_CONFIRMATION_BYTES,
                timeout_s=CONFIRMATION_TIMEOUT_S,
                max_redirects=0,
            )
        return Reply(found.status, found.body, found.headers)

    async def _store(self, route: Route, inbound: Inbound, value: Secret) -> bool:
        """Make it the handler's secret, on the record, unless somebody was faster."""
        recipient = route.recipient
        context = Context(
            recipient.tenant_id,
            "",
            Actor("webhook", str(recipient.handler_id), route.name),
            origin=Origin(request_id=inbound.request_id, ip=inbound.peer),
        )
        try:
            async with self._database.transaction(recipient.tenant_id) as session:
                await SecretService(
                    SecretRepository(session, recipient.tenant_id),
                    IntegrationRepository(session, recipient.tenant_id),
                    Sealer(session, recipient.tenant_id, self._keys),
                    AuditRecorder(session, context),
                    EventPublisher(session, context),
                ).create(recipient.integration_id, _secret(route.secret_key, value))
        except SecretKeyTaken:
            return False
        return True


def _secret(key: str, value: Secret) -> SecretCreate:
    return SecretCreate.model_validate({"key": key, "value": value.reveal()})
