"""The route cache: what it spares, and that it is never wrong for long."""

import asyncio

import pytest
from sqlalchemy import event, update

from app.core.ids import new_id
from app.core.secret import Secret as Plaintext
from app.ingest.routes import Routes
from app.limits.limiter import Limiter
from app.models import Handler, Secret, Tenant
from app.sealing.service import Sealer
from tests.fixtures.app import Member, join
from tests.ingest.test_gate import make_handler

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acme(resources):
    tenant, token = await join(resources, "acme")
    return Member(tenant, token, None)


@pytest.fixture
async def routes(resources, settings, settle):
    limiter = Limiter(resources.database, settings)
    return Routes(resources.database, resources.keys, resources.changes, limiter, settings)


@pytest.fixture
def statements(resources):
    """Every statement that goes to the database."""
    seen = []
    engine = resources.database.bind.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    return seen


class TestFind:
    async def test_costs_no_query_once_it_is_known(self, routes, resources, acme, statements, settle):
        await make_handler(resources, acme)
        await settle()
        assert await routes.find("acme", "push")
        statements.clear()

        assert await routes.find("acme", "push")
        assert statements == []

    @pytest.mark.parametrize(("slug", "name"), [("acme", "nope"), ("nobody", "push")])
    async def test_costs_no_query_for_a_known_miss(self, routes, acme, statements, settle, slug, name):
        await settle()
        assert await routes.find(slug, name) is None
        statements.clear()

        assert await routes.find(slug, name) is None
        assert statements == []

    async def test_learns_of_a_new_handler(self, routes, resources, acme, settle):
        assert await routes.find("acme", "push") is None
        await make_handler(resources, acme)
        await settle()

        assert await routes.find("acme", "push")

    async def test_learns_of_a_new_tenant(self, routes, resources, settle):
        assert await routes.find("globex", "push") is None
        tenant, token = await join(resources, "globex")
        await make_handler(resources, Member(tenant, token, None))
        await settle()

        assert await routes.find("globex", "push")

    @pytest.mark.parametrize(
        "change",
        [
            update(Handler).values(enabled=False),
            update(Tenant).where(Tenant.slug == "acme").values(status="suspended"),
        ],
    )
    async def test_learns_of_an_end(self, routes, resources, acme, settle, change):
        await make_handler(resources, acme)
        assert await routes.find("acme", "push")
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(change)
        await settle()

        assert await routes.find("acme", "push") is None

    async def test_keeps_nothing_that_changed_while_it_was_read(
        self, routes, resources, acme, statements, settle
    ):
        await make_handler(resources, acme)
        await settle()
        load = routes._load

        async def load_slowly(*args):
            loaded = await load(*args)
            routes._cache.forget_tenant(str(acme.tenant_id))
            return loaded

        routes._load = load_slowly
        await routes.find("acme", "push")
        statements.clear()
        await routes.find("acme", "push")

        assert statements != []

    async def test_trusts_nothing_for_long_without_announcements(self, routes, resources, acme, settle):
        await make_handler(resources, acme)
        await settle()
        resources.changes.listener.is_live = False

        await routes.find("acme", "push")
        (entry,) = routes._cache._entries.values()
        assert entry.expires - asyncio.get_running_loop().time() <= 1.0

    async def test_opens_both_secrets_while_one_is_rotated(self, routes, resources, acme, settle):
        handler = await make_handler(resources, acme, verification={"scheme": "github"})
        await add_secret(resources, acme, handler, "WEBHOOK_SECRET_PREVIOUS", "older")
        await add_secret(resources, acme, handler, "OTHER", "unrelated")
        await settle()
        route = await routes.find("acme", "push")

        assert sorted(secret.reveal() for secret in route.secrets) == ["It's a Secret to Everybody", "older"]
        assert "older" not in repr(route)


async def add_secret(resources, member, handler, key, value):
    id = new_id()
    async with resources.database.transaction(member.tenant_id) as session:
        sealer = Sealer(session, member.tenant_id, resources.keys)
        sealed = await sealer.seal(Plaintext(value), "secrets", id)
        session.add(
            Secret(
                id=id,
                tenant_id=member.tenant_id,
                integration_id=handler.integration_id,
                key=key,
                sealed=sealed,
            )
        )
