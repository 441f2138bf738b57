"""What a handler's executions have in common is read once, and again when any part of it changed."""

import asyncio

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
async def plans(resources, committed_urls):
    plans = Plans(resources.keys, resources.changes)
    task = asyncio.create_task(resources.changes.listen(committed_urls.app))
    async with asyncio.timeout(10):
        while not (resources.changes.listener and resources.changes.listener.is_live):
            await asyncio.sleep(0.01)
    yield plans
    task.cancel()
    await asyncio.wait({task})


@pytest.fixture
async def handler(resources, acme, upstream):
    return await make_handler(resources, acme, upstream)


async def plan_of(plans, resources, member, handler):
    async with resources.database.transaction(member.tenant_id) as session:
        return await plans.get(session, member.tenant_id, handler.id)


async def until(condition):
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.01)


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
    async def test_are_read_once(self, plans, resources, acme, handler):
        first = await plan_of(plans, resources, acme, handler)
        assert await plan_of(plans, resources, acme, handler) is first

    async def test_are_of_their_tenant_only(self, plans, resources, acme, globex, handler):
        await plan_of(plans, resources, acme, handler)
        with pytest.raises(NotFound):
            await plan_of(plans, resources, globex, handler)

    @pytest.mark.parametrize(
        ("model", "values"), [(Handler, {"default_args": {"a": 1}}), (Integration, {"base_url": "http://b"})]
    )
    async def test_hear_of_a_change(self, plans, resources, acme, handler, model, values):
        first = await plan_of(plans, resources, acme, handler)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(model).values(**values))

        async def is_heard():
            return await plan_of(plans, resources, acme, handler) != first

        await until(is_heard)

    @pytest.mark.parametrize(("model", "kind"), [(Secret, "secrets"), (Credential, "credentials")])
    async def test_hear_of_a_new_value(self, plans, resources, acme, handler, model, kind):
        first = await plan_of(plans, resources, acme, handler)
        assert "NEW" not in getattr(first.values, kind)
        await add_sealed(resources, acme, handler, model, "fresh")

        async def is_heard():
            return "NEW" in getattr((await plan_of(plans, resources, acme, handler)).values, kind)

        await until(is_heard)

    async def test_hear_that_their_handler_is_gone(self, plans, resources, acme, handler):
        await plan_of(plans, resources, acme, handler)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.delete(await session.get_one(Handler, (acme.tenant_id, handler.id)))

        async def is_heard():
            try:
                await plan_of(plans, resources, acme, handler)
            except NotFound:
                return True
            return False

        await until(is_heard)

    async def test_show_no_value(self, plans, resources, acme, handler):
        assert "very-secret-value" not in repr(await plan_of(plans, resources, acme, handler))
