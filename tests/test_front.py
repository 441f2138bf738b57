"""What is answered while the API is still being imported, and what becomes of those who ask for the API."""

import asyncio
import subprocess
import sys

import pytest

from app.core.boot import Misconfigured
from app.front import LateApp, surround
from app.main import furnish
from app.services import create_services
from tests.fixtures.app import connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def services(resources):
    return create_services(resources)


@pytest.fixture
async def late() -> LateApp:
    return LateApp()


@pytest.fixture
async def early(late, services):
    async with connect(surround(late, services)) as client:
        yield client


class TestBeforeTheApi:
    async def test_orchestrators_are_answered(self, early):
        assert (await early.get("/livez")).json() == {"status": "ok"}
        assert (await early.get("/readyz")).json()["status"] == "ok"
        assert (await early.head("/livez")).status_code == 200
        assert "jackfield_http_requests_total" in (await early.get("/metrics")).text

    async def test_they_are_counted_by_their_route(self, early):
        await early.get("/livez")
        assert 'route="/livez",status="200"' in (await early.get("/metrics")).text

    async def test_webhooks_are_answered(self, early):
        refused = await early.post("/webhook/nobody/push")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")

    def test_nothing_of_it_is_imported(self):
        code = "import sys, app.server.supervisor; print({'fastapi', 'aiohttp', 'httpx2'} & {*sys.modules})"
        imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert imported.stdout == "set()\n"


class TestLateApp:
    async def test_keeps_who_asks_until_it_is_there(self, late, early, routes, services):
        asked = [asyncio.ensure_future(early.get("/integrations")) for _ in range(3)]
        await asyncio.sleep(0)
        await late.make(lambda: furnish(routes, services))
        assert {(await one).status_code for one in asked} == {401}

    async def test_outlives_one_who_does_not_wait(self, late, early, routes, services):
        impatient = asyncio.ensure_future(early.get("/integrations"))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        await late.make(lambda: furnish(routes, services))
        assert (await early.get("/integrations")).status_code == 401

    async def test_fails_where_it_cannot_be_made(self, late):
        def refuse():
            raise Misconfigured("GET /x declares no scope.")

        with pytest.raises(Misconfigured):
            await late.make(refuse)
