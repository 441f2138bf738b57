from datetime import timedelta

import pytest
from sqlalchemy import event, select, update

from app.auth import authenticator as module
from app.auth import tokens
from app.auth.authenticator import CACHE_LIFETIME_S, Authenticator
from app.auth.errors import TenantSuspended
from app.core import clock
from app.core.errors import Unauthenticated
from app.models import AccessToken, Tenant, TenantStatus
from tests.fixtures.app import issue

pytestmark = pytest.mark.anyio


@pytest.fixture
def authenticator(database, resources):
    return Authenticator(database, resources.system.pepper)


@pytest.fixture
def statements(engine):
    """Every statement that is sent to the database from now on."""
    sent = []

    def note(connection, cursor, statement, *rest):
        sent.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def change(database, member, model, **values):
    async with database.transaction(member.tenant_id) as session:
        query = update(model)
        if model is Tenant:
            query = query.where(Tenant.id == member.tenant_id)
        await session.execute(query.values(**values))


async def refused(authenticator, token):
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.authenticate(token)
    return refusal.value.headers["WWW-Authenticate"].startswith("Bearer")


async def later(monkeypatch, seconds):
    now = module.time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + seconds)


class TestAuthenticate:
    async def test_tells_who_calls_and_what_they_may(self, authenticator, resources, acme):
        token = await issue(resources, acme.tenant, ("secrets:read", "handlers:*"))
        context = await authenticator.authenticate(token)

        assert (context.tenant_id, context.tenant_slug) == (acme.tenant_id, "acme")
        assert context.scopes == {"secrets:read", "handlers:*"}
        assert (context.actor.type, context.actor.name) == ("access_token", "tests")
        assert context.integration_id is None

    async def test_refuses_a_token_that_nobody_has(self, authenticator):
        assert await refused(authenticator, tokens.make().reveal())

    async def test_refuses_a_token_under_another_pepper(self, database, acme):
        assert await refused(Authenticator(database, b"another"), acme.token)

    @pytest.mark.parametrize("token", ["", "x", "jf_svc_" + "0" * 36, "Bearer", "ä"])
    async def test_asks_no_database_about_what_is_no_token(self, authenticator, statements, token):
        assert await refused(authenticator, token)
        assert statements == []

    async def test_refuses_one_that_has_expired(self, authenticator, acme, database):
        await change(database, acme, AccessToken, expires_at=clock.now() - timedelta(milliseconds=1))

        assert await refused(authenticator, acme.token)

    async def test_refuses_one_that_was_revoked(self, authenticator, acme, database):
        await change(database, acme, AccessToken, revoked_at=clock.now())

        assert await refused(authenticator, acme.token)

    async def test_refuses_those_of_a_suspended_tenant_until_it_is_active_again(
        self, authenticator, acme, database
    ):
        await change(database, acme, Tenant, status=TenantStatus.SUSPENDED)
        with pytest.raises(TenantSuspended):
            await authenticator.authenticate(acme.token)
        await change(database, acme, Tenant, status=TenantStatus.ACTIVE)

        assert (await authenticator.authenticate(acme.token)).tenant_id == acme.tenant_id


class TestCache:
    async def test_asks_once_a_second(self, authenticator, acme, statements, monkeypatch):
        first = await authenticator.authenticate(acme.token)
        asked = len(statements)
        assert await authenticator.authenticate(acme.token) == first
        assert len(statements) == asked
        await later(monkeypatch, CACHE_LIFETIME_S + 0.1)
        await authenticator.authenticate(acme.token)

        assert len(statements) > asked
        assert CACHE_LIFETIME_S <= 5

    async def test_learns_of_a_revocation_when_it_asks_again(
        self, authenticator, acme, database, monkeypatch
    ):
        await authenticator.authenticate(acme.token)
        await change(database, acme, AccessToken, revoked_at=clock.now())
        await later(monkeypatch, CACHE_LIFETIME_S + 0.1)

        assert await refused(authenticator, acme.token)

    async def test_learns_of_it_at_once_when_it_is_told_to_forget(self, authenticator, acme, database):
        await authenticator.authenticate(acme.token)
        await change(database, acme, AccessToken, revoked_at=clock.now())
        authenticator.forget()

        assert await refused(authenticator, acme.token)

    async def test_keeps_nothing_that_was_read_before_it_was_told_to_forget(
        self, authenticator, acme, database, monkeypatch
    ):
        note_use = module.repository.note_use

        async def revoked_meanwhile(session, token, at):
            await note_use(session, token, at)
            authenticator.forget()

        monkeypatch.setattr(module.repository, "note_use", revoked_meanwhile)
        await authenticator.authenticate(acme.token)
        await change(database, acme, AccessToken, revoked_at=clock.now())

        assert await refused(authenticator, acme.token)

    async def test_holds_neither_a_token_nor_more_than_its_size(
        self, authenticator, resources, acme, monkeypatch
    ):
        monkeypatch.setattr(module, "CACHE_SIZE", 1)
        for token in (acme.token, await issue(resources, acme.tenant)):
            await authenticator.authenticate(token)

        assert len(authenticator._known) == 1
        assert acme.token not in repr(authenticator._known)


class TestLastUsed:
    async def last_used_at(self, database, member):
        async with database.transaction(member.tenant_id) as session:
            return (await session.execute(select(AccessToken.last_used_at, AccessToken.updated_at))).one()

    async def test_is_noted_without_being_a_change(self, authenticator, acme, database):
        before = await self.last_used_at(database, acme)
        await authenticator.authenticate(acme.token)
        after = await self.last_used_at(database, acme)

        assert before.last_used_at is None
        assert after.last_used_at is not None
        assert after.updated_at == before.updated_at

    async def test_is_written_at_most_once_a_minute(self, authenticator, acme, database):
        earlier = clock.now() - timedelta(seconds=30)
        await change(database, acme, AccessToken, last_used_at=earlier)
        await authenticator.authenticate(acme.token)

        assert (await self.last_used_at(database, acme)).last_used_at == earlier

    async def test_is_written_again_after_a_minute(self, authenticator, acme, database):
        earlier = clock.now() - timedelta(seconds=61)
        await change(database, acme, AccessToken, last_used_at=earlier)
        await authenticator.authenticate(acme.token)

        assert (await self.last_used_at(database, acme)).last_used_at > earlier
