"""Jackfield in processes of its own, each of which can be killed, paused, stopped and started again."""

import asyncio
import base64
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx2

from tests.faults.waiting import until
from tests.fixtures.process import BASE_URL, JACKFIELD, environment

OPERATOR_TOKEN = "operator-token-of-the-fault-suite-0123456789"
CONCURRENCY = 16
GRACE_S = 20.0

SETTINGS = {
    "JACKFIELD_MASTER_KEY": base64.b64encode(b"the fault suite's own master key").decode(),
    "JACKFIELD_EGRESS_ALLOW": "127.0.0.1",
    "JACKFIELD_OPERATOR_TOKEN": OPERATOR_TOKEN,
    "JACKFIELD_CONCURRENCY": str(CONCURRENCY),
    "JACKFIELD_POOL_SIZE": "5",
    "JACKFIELD_POOL_OVERFLOW": "5",
    "JACKFIELD_SHUTDOWN_GRACE": str(GRACE_S),
    # Seconds. Long enough that a busy machine does not make a living worker miss its renewals.
    "JACKFIELD_LEASE": "6",
    "JACKFIELD_LOG_FORMAT": "json",
    "JACKFIELD_LOG_LEVEL": "warning",
}

_ENDING = {signal.SIGTERM, signal.SIGKILL}
_SERVES = re.compile(f"listens on ({BASE_URL.pattern})")
_WORKS = re.compile("looks for executions")
_CHILD = re.compile(r'"pid": (\d+), "event": "process.listening"')


class Process:
    """One command of ``jackfield`` that stays; what it prints and logs goes to a file per start."""

    def __init__(self, *arguments: str, folder: Path, env: Mapping[str, str]) -> None:
        self.url = ""
        self.serves = asyncio.Event()
        """Set while it has started and nobody has told it to end."""
        self._arguments = arguments
        self._folder = folder
        self._environment = env
        self._starts = 0
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it says that it serves, or works."""
        self._starts += 1
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                JACKFIELD,
                *self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self._environment),
            )
        if self._arguments[0] == "serve":
            self.url = (await until(lambda: self._printed(_SERVES)))[1]
        else:
            await until(lambda: self._printed(_WORKS))
        self.serves.set()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def children(self) -> list[int]:
        """The processes behind ``--workers``, in the order in which they began to listen."""
        return [int(found) for found in _CHILD.findall(self.log)]

    @property
    def log(self) -> str:
        """Since the last start."""
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if number in _ENDING:
            self.serves.clear()
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def kill(self) -> None:
        assert self._process is not None
        self.signal(signal.SIGKILL)
        await self._process.wait()

    async def wait(self, within: float) -> int:
        """Its exit code."""
        assert self._process is not None
        async with asyncio.timeout(within):
            return await self._process.wait()

    async def stop(self) -> int:
        """Ask it to stop, as an init system does; its exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait(GRACE_S)

    @property
    def _log(self) -> Path:
        return self._folder / f"{'-'.join(self._arguments)}-{id(self):x}-{self._starts}.log"

    def _printed(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.search(self.log)
        assert found or self.is_alive, f"jackfield {self._arguments} ended and left:\n{self.log}"
        return found


class Installation:
    """One data folder and one database, and what was started on them. ``token`` may do everything in acme."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.token = ""
        self._folder = folder
        self._settings = {**SETTINGS, **settings}
        self._processes: list[Process] = []
        # Without verification of certificates there is no store of them to load, and no https here.
        self.client = httpx2.AsyncClient(verify=False, timeout=30, limits=httpx2.Limits(keepalive_expiry=1))

    async def start(self, *arguments: str, **settings: str) -> Process:
        """``jackfield`` with these arguments, up and running."""
        env = environment(self._folder / "data", {**self._settings, **settings})
        process = Process(*arguments, folder=self._folder, env=env)
        self._processes.append(process)
        await process.start()
        return process

    async def start_apart(self, **settings_of_worker: str) -> tuple[Process, Process]:
        """The API and the worker as two processes."""
        async with asyncio.TaskGroup() as group:
            api = group.create_task(self.start("serve", "--no-worker"))
            worker = group.create_task(self.start("worker", **settings_of_worker))
        return api.result(), worker.result()

    async def end(self) -> None:
        """Leave no process behind, whatever state it is in."""
        await self.client.aclose()
        for process in self._processes:
            if process.is_alive:
                await process.kill()

    async def furnish(self, api: Process, upstream_url: str) -> None:
        """The tenant acme, with a handler ``in`` that calls the upstream's ``/in``."""
        tenant = await self._create(f"{api.url}/tenants", OPERATOR_TOKEN, slug="acme")
        tokens = f"{api.url}/tenants/{tenant['id']}/access-tokens"
        self.token = (await self._create(tokens, OPERATOR_TOKEN, name="ledger", scopes=["*"]))["token"]
        integrations = f"{api.url}/integrations"
        integration = await self._create(integrations, self.token, name="ledger", baseUrl=upstream_url)
        await self._create(
            f"{integrations}/{integration['id']}/handlers",
            self.token,
            name="in",
            target={"kind": "http", "method": "POST", "url": "/in"},
            verification={"scheme": "none"},
        )

    async def get(self, url: str) -> httpx2.Response:
        """As acme."""
        response = await self.client.get(url, headers={"Authorization": f"Bearer {self.token}"})
        assert response.status_code == 200, response.text
        return response

    async def is_ready(self, api: Process) -> bool:
        return (await self.client.get(f"{api.url}/readyz")).status_code == httpx2.codes.OK

    async def is_listening(self, api: Process) -> bool:
        try:
            await self.client.get(f"{api.url}/livez", headers={"Connection": "close"})
        except httpx2.TransportError:
            return False
        return True

    async def _create(self, url: str, token: str, **fields: object) -> dict[str, str]:
        response = await self.client.post(url, json=fields, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 201, response.text
        return response.json()
