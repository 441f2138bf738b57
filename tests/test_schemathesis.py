"""Requests that our own OpenAPI document allows, and some that it forbids, against a server on loopback.

What it says about an answer has to be true of every answer. Most addresses name what is there; nothing of
that is deleted.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
import schemathesis
import uvicorn
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from app.core.crypto import MasterKey, MasterKeys, new_key
from app.core.egress.calls import CallClient
from app.core.egress.fetch import FetchClient
from app.core.egress.policy import EgressPolicy
from app.core.settings import Settings
from app.db.announced import Changes
from app.db.session import create_database
from app.main import create_routes, describe
from app.sealing.service import KeyCache
from app.services import Resources, open_system_keys
from app.web.protocol import GuardedProtocol
from tests.fixtures.app import LOOPBACK, OPERATOR_TOKEN, Member, join, wire
from tests.fixtures.tenant import furnish

CONFIG = SchemathesisConfig.from_dict(
    # 414 and 431 are refusals, too.
    {"checks": {"negative_data_rejection": {"expected-statuses": ["4xx", 502, 504]}}}
)
SCHEMA = schemathesis.openapi.from_dict(describe(create_routes()), config=CONFIG)
EXAMPLES = 4
"""Per operation. The same ones every time: a test that fails now and then helps nobody."""


def is_no_failure_of_ours(_, response, case) -> None:
    """502 and 504 are an upstream's: nobody answers at the addresses that are made up here."""
    assert response.status_code < 500 or response.status_code in {502, 504}, case


TRUE_OF_EVERY_ANSWER = [
    is_no_failure_of_ours,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


@dataclass(frozen=True)
class Served:
    """``ids``: by the name of the path parameter."""

    url: str
    token: str
    ids: dict[str, str]

    def headers(self, path: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {OPERATOR_TOKEN if path.startswith('/tenants') else self.token}"}


async def no_name(_: str) -> list[str]:
    raise OSError("these tests ask no resolver")


@asynccontextmanager
async def serve(urls) -> AsyncIterator[Served]:
    given = Settings(operator_token=OPERATOR_TOKEN, egress_allow=LOOPBACK, _env_file=None)
    policy = EgressPolicy(given.egress_allow)
    database = create_database(urls.app, pool_size=2, overflow=2, timeout=5, application="tests")
    async with CallClient(policy, lookup=no_name) as calls:
        master = MasterKeys(MasterKey(new_key()))
        system = await open_system_keys(database, master)
        fetch = FetchClient(policy, lookup=no_name)
        resources = Resources(given, database, KeyCache(master), Changes(), system, calls, fetch)
        api = wire(resources)
        async with listen(api) as url:
            tenant, token = await join(resources, "acme")
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
                furnished = await furnish(Member(tenant, token, client), "schemathesis")
            yield Served(url, token, furnished.ids)
    await database.dispose()


@asynccontextmanager
async def listen(api) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        api, http=GuardedProtocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
def served(server, template):
    urls = asyncio.run(server.clone(template))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(urls)) as running:
        yield running
    asyncio.run(server.drop(urls))


@SCHEMA.exclude(path_regex="^/docs").parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
def test_the_document_is_true(case, served):
    if case.method != "DELETE" and not case.meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters = {
            name: served.ids.get(name, value) for name, value in case.path_parameters.items()
        }
    case.call_and_validate(
        base_url=served.url, headers=served.headers(case.path), checks=TRUE_OF_EVERY_ANSWER, timeout=5
    )
