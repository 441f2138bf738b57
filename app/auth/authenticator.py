"""Whose token is it? Asked once per token and second, so that a revocation holds within a second."""

import time
from collections import OrderedDict
from typing import Final

from app.auth import repository, tokens
from app.auth.context import Actor, Context
from app.auth.errors import TenantSuspended
from app.core import clock
from app.core.errors import Unauthenticated
from app.db.session import Database
from app.models import AccessToken, Tenant, TenantStatus

CACHE_LIFETIME_S: Final = 1.0
CACHE_SIZE: Final = 10_000


class Authenticator:
    """Turns a bearer token into a ``Context``."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper
        self._known: OrderedDict[bytes, tuple[float, Context]] = OrderedDict()
        self._generation = 0

    async def authenticate(self, token: str) -> Context:
        """Raises ``Unauthenticated`` (unknown, expired, revoked) and ``TenantSuspended``."""
        if not tokens.is_well_formed(token):
            raise _unauthenticated()
        hash = tokens.hash_token(token, self._pepper)
        cached = self._known.get(hash)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        generation = self._generation
        context = await self._look_up(hash)
        # What was read before a revocation must not be remembered after it.
        if generation == self._generation:
            self._remember(hash, context)
        return context

    def forget(self) -> None:
        """Ask again for every token, as after one of them was revoked."""
        self._generation += 1
        self._known.clear()

    async def _look_up(self, hash: bytes) -> Context:
        async with self._database.transaction(None) as session:
            found = await repository.find_token(session, hash)
        if found is None:
            raise _unauthenticated()
        tenant_id, id = found
        async with self._database.transaction(tenant_id) as session:
            row = await repository.read_token(session, tenant_id, id)
            now = clock.now()
            if row is None or row[0].revoked_at is not None or row[0].expires_at <= now:
                raise _unauthenticated()
            token, tenant = row
            if tenant.status != TenantStatus.ACTIVE:
                raise TenantSuspended
            await repository.note_use(session, token, now)
        return _context(token, tenant)

    def _remember(self, hash: bytes, context: Context) -> None:
        self._known[hash] = (time.monotonic() + CACHE_LIFETIME_S, context)
        self._known.move_to_end(hash)
        while len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)


def _context(token: AccessToken, tenant: Tenant) -> Context:
    return Context(
        tenant_id=token.tenant_id,
        tenant_slug=tenant.slug,
        actor=Actor("access_token", str(token.id), token.name),
        scopes=frozenset(token.scopes),
        integration_id=token.integration_id,
    )


def _unauthenticated() -> Unauthenticated:
    return Unauthenticated(headers={"WWW-Authenticate": 'Bearer realm="jackfield"'})
