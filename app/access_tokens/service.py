from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.access_tokens.errors import ExpiryNotValid, ScopeNotHeld, ScopeNotKnown
from app.access_tokens.repository import AccessTokenRepository
from app.access_tokens.schemas import AccessTokenCreate
from app.audit.recorder import AuditRecorder, Resource
from app.auth import tokens
from app.auth.scopes import Scope, grants, is_grantable
from app.core import clock
from app.core.errors import Fault, Unprocessable
from app.core.pagination import Page, PageRequest
from app.core.secret import Secret
from app.events.publisher import EventPublisher
from app.models import AccessToken, AuditAction, EventType

DEFAULT_LIFETIME: Final = timedelta(days=90)
MAX_LIFETIME: Final = timedelta(days=366)


class AccessTokenService:
    def __init__(
        self, rows: AccessTokenRepository, audit: AuditRecorder, events: EventPublisher, pepper: bytes
    ) -> None:
        self._rows = rows
        self._audit = audit
        self._events = events
        self._pepper = pepper

    async def page(self, request: PageRequest) -> Page[AccessToken]:
        return await self._rows.page(self._rows.valid(), request)

    async def get(self, id: UUID) -> AccessToken:
        return await self._rows.get_valid(id)

    async def create(self, data: AccessTokenCreate, held: Collection[str]) -> tuple[AccessToken, Secret]:
        """The row and the token, which is shown this once. ``held``: the scopes of whoever makes it."""
        await self._check(data, held)
        token = tokens.make()
        row = AccessToken(
            name=data.name,
            hash=tokens.hash_token(token.reveal(), self._pepper),
            prefix=tokens.prefix(token),
            scopes=sorted(set(data.scopes)),
            integration_id=data.integration_id,
            expires_at=data.expires_at or clock.now() + DEFAULT_LIFETIME,
        )
        await self._rows.add(row)
        self._audit.record(AuditAction.ACCESS_TOKEN_CREATED, _resource(row), {"scopes": row.scopes})
        self._events.publish(EventType.ACCESS_TOKEN_CREATED, row.id, {"name": row.name, "scopes": row.scopes})
        return row, token

    async def revoke(self, id: UUID) -> None:
        row = await self._rows.get_valid(id)
        row.revoked_at = clock.now()
        await self._rows.save(row)
        self._audit.record(AuditAction.ACCESS_TOKEN_REVOKED, _resource(row))
        self._events.publish(EventType.ACCESS_TOKEN_REVOKED, row.id, {"name": row.name}, sequence=2)

    async def _check(self, data: AccessTokenCreate, held: Collection[str]) -> None:
        for index, scope in enumerate(data.scopes):
            if not is_grantable(scope):
                raise ScopeNotKnown(errors=[Fault(f"/scopes/{index}", "not a known scope")])
            if not _is_held(scope, held):
                raise ScopeNotHeld(errors=[Fault(f"/scopes/{index}", "more than the caller's own scopes")])
        if data.expires_at and not timedelta(0) < data.expires_at - clock.now() <= MAX_LIFETIME:
            raise ExpiryNotValid(errors=[Fault("/expiresAt", "in the future, within 366 days")])
        if data.integration_id and not await self._rows.has_integration(data.integration_id):
            raise Unprocessable(errors=[Fault("/integrationId", "no such integration")])


def _is_held(scope: str, held: Collection[str]) -> bool:
    """Whether every scope that ``scope`` covers is covered by ``held``."""
    return all(grants(held, known) for known in Scope if grants({scope}, known))


def _resource(row: AccessToken) -> Resource:
    return Resource("access_token", row.id, row.name, row.integration_id)
