"""What a handler's executions have in common is read once, and again when any part of it changed."""

from functools import partial

import pytest
from sqlalchemy import update

from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.secret import Secret as Plaintext
from app.executions.plans import Plans
from app.models import Credential, Handler, Integration, Secret
from app.sealing.service import Sealer
from tests.executions.test_executor import make_handler
from tests.fixtures.app import Member, join, open_test_resources

pytestmark = pytest.mark.anyio


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def acme(resources):
    return Member(*await join(resources, "acme"), None)


@pytest.fixture
async def globex(resources):
    return Member(*await join(resources, "globex"), None)


@pytest.fixture
def plans(resources):
    return Plans(resources.keys, resources.changes)


@pytest.fixture
async def handler(plans, resources, acme, upstream, settle):
    handler = await make_handler(resources, acme, upstream)
    await settle()
    return handler


@pytest.fixture
def read(plans, resources, acme, handler):
    """The plan of the handler, as acme finds it."""
    return partial(plan_of, plans, resources, acme, handler)


async def plan_of(plans, resources, member, handler):
    async with resources.database.transaction(member.tenant_id) as session:
        return await plans.get(session, member.tenant_id, handler.id)


async def add_sealed(resources, member, handler, model, value):
    async with resources.database.transaction(member.tenant_id) as session:
        id = new_id()
        sealed = await Sealer(session, member.tenant_id, resources.keys).seal(
            Plaintext(value), model.__tablename__, id
        )
        session.add(
            model(
                id=id,
                tenant_id=member.tenant_id,
                integration_id=handler.integration_id,
                key="NEW",
                sealed=sealed,
            )
        )


class TestPlans:
    async def test_are_read_once(self, read):
        first = await read()
        assert await read() is first

    async def test_are_of_their_tenant_only(self, plans, resources, globex, handler, read):
        await read()
        with pytest.raises(NotFound):
            await plan_of(plans, resources, globex, handler)

    @pytest.mark.parametrize(
        ("model", "values"), [(Handler, {"default_args": {"a": 1}}), (Integration, {"base_url": "http://b"})]
    )
    async def test_hear_of_a_change(self, read, resources, acme, settle, model, values):
        first = await read()
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(model).values(**values))
        await settle()

        assert await read() != first

    @pytest.mark.parametrize("model", [Secret, Credential])
    async def test_hear_of_a_new_value(self, read, resources, acme, handler, settle, model):
        first = await read()
        assert "NEW" not in getattr(first.values, model.__tablename__)
        await add_sealed(resources, acme, handler, model, "fresh")
        await settle()

        assert "NEW" in getattr((await read()).values, model.__tablename__)

    async def test_hear_that_their_handler_is_gone(self, read, resources, acme, handler, settle):
        await read()
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.delete(await session.get_one(Handler, (acme.tenant_id, handler.id)))
        await settle()

        with pytest.raises(NotFound):
            await read()

    async def test_show_no_value(self, read):
        assert "very-secret-value" not in repr(await read())
