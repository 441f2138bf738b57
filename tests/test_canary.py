"""One secret value of each kind, driven through everything, then looked for everywhere."""

import base64
import json
import logging
import sys
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.logging import configure
from app.db.admin import administer
from app.db.session import Database
from app.executions.executor import Executor
from tests.executions.test_executor import source_of
from tests.executions.test_worker import wanted
from tests.fixtures.app import connect, join, open_test_resources
from tests.fixtures.operations import OPERATIONS
from tests.fixtures.upstream import Answer

pytestmark = pytest.mark.anyio

SECRET = 'canary/secret+"one" ü%&='
CREDENTIAL = 'canary/credential+"two" ü%&='
ROTATED = 'canary/rotated+"three" ü%&='
BASIC = "canary-user:canary-password-four"
PUBLIC = "marks what may be found, and therefore is"

LIBRARIES = ("sqlalchemy.engine", "sqlalchemy.pool", "asyncio", "aiohttp.client", "asyncpg")
"""Loggers that know headers, bodies and parameters, if anybody asks them."""

OPERATION = {
    "kind": "operation",
    "method": "POST",
    "path": "/login",
    "security": [[{"scheme": "login", "type": "http", "httpScheme": "basic"}]],
}


def spellings(value: str) -> set[bytes]:
    """As it is, as JSON, percent-encoded, in hex, and in base64 wherever in a longer text that began."""
    raw = value.encode()
    shifted = (base64.b64encode(b"\0" * offset + raw)[4:-4] for offset in range(3))
    escaped = (json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False))
    plain = (value, *escaped, quote(value), quote(value, safe=""), raw.hex())
    return {*shifted, *(form.encode() for form in plain)}


def echoed(*values: str) -> bytes:
    """As an upstream may repeat what it got: the forms that redaction knows."""
    forms = [
        (value, json.dumps(value), quote(value), base64.b64encode(value.encode()).decode())
        for value in values
    ]
    return "\n".join(form for of_one in forms for form in of_one).encode()


def is_in(value: str, haystack: bytes) -> bool:
    return any(form in haystack for form in spellings(value))


@dataclass
class Scene:
    """Everything that was answered, by method and address; and the values that were made on the way."""

    client: object
    upstream: object
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    async def listen(self, response) -> None:
        head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        place = f"{response.request.method} {response.request.url.path}"
        self.answers.append((place, head.encode() + await response.aread()))

    async def post(self, address, expected=201, **options):
        response = await self.client.post(address, **options)
        assert response.status_code == expected, response.text
        return response.json() if expected == 201 else None  # others may say anything

    @property
    def secrets(self) -> list[str]:
        return [SECRET, CREDENTIAL, ROTATED, *BASIC.split(":"), BASIC, *self.tokens]


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def as_worker(committed_urls, resources):
    """Runs what is due, as the worker's role."""
    database = Database(create_async_engine(committed_urls.worker))
    source = source_of(resources, database)
    executor = Executor(source)

    async def work() -> None:
        for claim in await source.claim(wanted(100)):
            await executor.run(claim)

    yield work
    await database.dispose()


@pytest.fixture
def printed(capfd, monkeypatch):
    """Everything that the process prints: the log in both forms, and the libraries' at its most talkative."""
    root = logging.getLogger()
    kept = structlog.get_config(), root.handlers[:], root.level
    configure("debug", "json")
    as_json = structlog.get_config()["processors"]
    configure("debug", "console")
    as_text = structlog.get_config()["processors"]

    def both(logger, method, event):
        for processors in (as_json, as_text):
            line = dict(event)
            for processor in processors:
                line = processor(logger, method, line)
            sys.stderr.write(f"{line}\n")
        raise structlog.DropEvent

    structlog.configure(processors=[both], cache_logger_on_first_use=False)
    for module in [module for name, module in sys.modules.items() if name.startswith("app.")]:
        if hasattr(module, "_log"):
            monkeypatch.setattr(module, "_log", structlog.get_logger(module.__name__))
    for name in LIBRARIES:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
        logging.getLogger(name).manager._clear_cache()

    def read() -> bytes:
        captured = capfd.readouterr()
        return (captured.out + captured.err).encode()

    yield read
    structlog.configure(**kept[0])
    root.handlers[:], root.level = kept[1], kept[2]
    root.manager._clear_cache()


@pytest.fixture
async def scene(resources, api, upstream, as_worker, printed) -> Scene:
    """A whole life of secrets: made, refused, changed, used, echoed, failed with."""
    tenant, token = await join(resources, "acme")
    async with connect(api, token) as client:
        ids = {"tenant_id": str(tenant.id), "code": "not_found", "slug": "airtable"}
        scene = Scene(client, upstream, ids=ids, tokens=[token])
        client.event_hooks["response"].append(scene.listen)
        await furnish(scene)
        await offend(scene)
        await run(scene, as_worker)
        await look_at_everything(scene)
        yield scene


async def furnish(scene) -> None:
    home = (await scene.post("/integrations", json={"name": PUBLIC, "baseUrl": scene.upstream.url}))["id"]
    scene.ids["integration_id"] = home
    home = f"/integrations/{home}"
    keyed = {"headers": {"Idempotency-Key": "k"}}
    for _ in range(2):
        made = await scene.post(f"{home}/credentials", json={"key": "C", "value": CREDENTIAL}, **keyed)
        scene.ids["credential_id"] = made["id"]
        made = await scene.post(f"{home}/secrets", json={"key": "S", "value": SECRET}, **keyed)
        scene.ids["secret_id"] = made["id"]
        made = await scene.post("/access-tokens", json={"name": "one", "scopes": ["*"]}, **keyed)
        scene.ids["token_id"] = made["id"]
    scene.tokens.append(made["token"])
    await scene.post(f"{home}/secrets", json={"key": "LOGIN", "value": BASIC})
    address = f"{home}/credentials/{scene.ids['credential_id']}"
    assert (await scene.client.put(address, json={"value": ROTATED})).status_code == 200
    for name, target in (("echo", http_target("/echo")), ("login", OPERATION), ("away", away())):
        for mode in ("sync", "async"):
            fields = {"target": target, "mode": mode, "defaultArgs": {"retries": 0, "d": "{{secrets.S}}"}}
            made = await scene.post(f"{home}/handlers", json={"name": f"{name}-{mode}", **fields})
            scene.ids |= {"handler_id": made["id"], "name": made["name"]}


def http_target(url: str) -> dict[str, object]:
    return {
        "kind": "http",
        "method": "POST",
        "url": f"{url}?key={{{{secrets.S}}}}",
        "headers": {"X-Key": "{{credentials.C}}", "Authorization": "Bearer {{args.d}}"},
        "body": {"text": "a {{secrets.S}} and {{credentials.C}}", "args": "{{args.d}}"},
    }


def away() -> dict[str, object]:
    """Where nobody listens."""
    return http_target("http://127.0.0.1:9/x")


async def offend(scene) -> None:
    """What is refused is refused without repeating it."""
    home = f"/integrations/{scene.ids['integration_id']}"
    for address in (f"{home}/secrets", f"{home}/credentials"):
        for body in (
            {"key": "1", "value": SECRET},
            {"key": "S", "value": [SECRET]},
            {"key": "S", "value": {SECRET: SECRET}},
            {"key": "S", "value": SECRET * 4000},
            {"key": SECRET, "value": SECRET},
            {"kee": "S", "value": SECRET},
            [SECRET],
            SECRET,
        ):
            await scene.post(address, 422, json=body)
        for content in (f'{{"value": "{SECRET}', f"{{{SECRET}}}", b"\xff" + SECRET.encode()):
            await scene.post(address, 400, content=content, headers={"Content-Type": "application/json"})
        await scene.post(address, 415, content=SECRET, headers={"Content-Type": "text/plain"})
    await scene.post(f"{home}/secrets", 409, json={"key": "S", "value": SECRET})
    bearer = {"Authorization": f"Bearer {quote(SECRET)}"}
    assert (await scene.client.get("/integrations", headers=bearer)).status_code == 401
    assert (await scene.client.get("/integrations", params={"search": SECRET})).status_code == 200


async def run(scene, as_worker) -> None:
    """Each handler by hand, by webhook and by the worker; the upstream answers, echoes, and fails."""
    headers = {"X-Echo": quote(SECRET), "Set-Cookie": f"c={quote(BASIC)}", "Content-Type": "text/plain"}
    sent = {"Authorization": f"Bearer {scene.tokens[0]}", "X-Api-Key": "canary-password-four"}
    for status in (200, 500):
        scene.upstream.answer("/echo", Answer(status, echoed(SECRET, ROTATED), headers))
        scene.upstream.answer("/login", Answer(status, echoed(SECRET, BASIC, *BASIC.split(":"))))
        for name in ("echo-sync", "login-sync", "echo-async", "login-async"):
            await scene.post(f"/handlers/{name}/execute", 200, json={"body": {"a": 1}, "headers": sent})
            await scene.post(
                f"/webhook/acme/{name}", status if "-sync" in name else 202, json={}, headers=sent
            )
    for name in ("away-sync", "away-async"):
        await scene.post(f"/handlers/{name}/execute", 502, json={})
        await scene.post(f"/webhook/acme/{name}", 502 if "-sync" in name else 202, json={}, headers=sent)
    wrong = {"Authorization": f"Bearer {scene.tokens[1][:-1]}", "X-Api-Key": "canary-password-four"}
    await scene.post("/webhook/acme/echo-sync", 401, json={}, headers=wrong)
    await as_worker()


async def look_at_everything(scene) -> None:
    executions = (await scene.client.get("/executions", params={"limit": 200})).json()
    assert {execution["status"] for execution in executions} == {"succeeded", "dead"}
    home = f"/integrations/{scene.ids['integration_id']}"
    for handler in (await scene.client.get(f"{home}/handlers")).json():
        for refused in (await scene.client.get(f"{home}/handlers/{handler['id']}/rejected-requests")).json():
            scene.ids["rejected_id"] = refused["id"]
            await scene.post(f"{home}/rejected-requests/{refused['id']}/release", 409)
    replay = {"filter": {"integrationId": scene.ids["integration_id"]}}
    await scene.post("/executions/replay", 202, json=replay)
    scene.ids["replay_id"] = (await scene.client.get("/executions/replays")).json()[0]["id"]
    reading = [operation for operation in OPERATIONS if operation.method == "GET"]
    for execution in executions:
        scene.ids["execution_id"] = execution["id"]
        await scene.client.get(f"/executions/{execution['id']}")
    for operation in reading:
        await operation.call(scene.client, scene.ids)
    for format in ("csv", "ndjson"):
        await scene.client.get("/audit-logs", params={"format": format})


async def dump(url) -> bytes:
    """Every row of every table, as text, as the superuser sees it."""
    async with administer(url) as connection:
        tables = await connection.scalars(
            text("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')"
                 " AND relnamespace = 'public'::regnamespace")
        )  # fmt: skip
        rows = [
            row
            for table in tables.all()
            for row in await connection.scalars(text(f"SELECT t::text FROM {table} t"))  # noqa: S608 - ours
        ]
    return "\n".join(rows).encode()


def answers_that_show(scene, value) -> set[str]:
    return {place for place, answer in scene.answers if is_in(value, answer)}


class TestSecrets:
    async def test_reach_the_upstream(self, scene):
        seen = [f"{asked.query} {asked.headers} {asked.body}".encode() for asked in scene.upstream.requests]
        assert len(seen) == 16
        assert all(is_in(SECRET, asked) or is_in(BASIC, asked) for asked in seen)
        assert {asked.headers["authorization"][:6] for asked in scene.upstream.requests} == {
            "Bearer",
            "Basic ",
        }

    async def test_are_in_no_answer_but_where_they_are_asked_for(self, scene):
        for value in (SECRET, BASIC, *BASIC.split(":")):
            assert answers_that_show(scene, value) == set()
        credentials = f"/integrations/{scene.ids['integration_id']}/credentials"
        one = f"{credentials}/{scene.ids['credential_id']}"
        assert answers_that_show(scene, CREDENTIAL) == {f"POST {credentials}"}
        assert answers_that_show(scene, ROTATED) == {f"PUT {one}", f"GET {one}", f"GET {credentials}"}
        assert answers_that_show(scene, scene.tokens[0]) == set()
        assert answers_that_show(scene, scene.tokens[1]) == {"POST /access-tokens"}

    async def test_are_in_no_log_and_no_row(self, scene, printed, committed_urls):
        output, rows = printed(), await dump(committed_urls.admin)
        assert [value for value in scene.secrets if is_in(value, output)] == []
        assert [value for value in scene.secrets if is_in(value, rows)] == []
        assert b'"event": "request.handled"' in output
        assert b"INSERT INTO secrets" in output  # what SQLAlchemy logs; the driver logs nothing
        assert b"[redacted]" in rows
        assert is_in(PUBLIC, rows)

    async def test_are_in_no_file_of_the_database(self, scene, committed_urls, session_folder):
        """Neither in tables and indexes nor in the write-ahead log, where overwritten values live on."""
        cluster = session_folder / "server" / "postgres"
        if not cluster.exists():
            pytest.skip("the files of a server that is not embedded are elsewhere")
        async with administer(committed_urls.admin, autocommit=True) as connection:
            await connection.execute(text("CHECKPOINT"))
            oid = await connection.scalar(
                text("SELECT oid FROM pg_database WHERE datname = current_database()")
            )
        folders = (cluster / "base" / str(oid), cluster / "pg_wal")
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        files.append(session_folder / "server" / "postgres.log")
        contents = b"".join(path.read_bytes() for path in files)
        assert PUBLIC.encode() in contents
        assert [value for value in scene.secrets if value.encode() in contents] == []
