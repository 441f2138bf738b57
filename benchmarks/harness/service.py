"""Jackfield as its users meet it: ``serve`` and ``worker`` as processes, and the API to furnish it."""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from harness.processes import PATIENCE_S, end_with_parent, family_seconds, memory_mb
from harness.sampler import REST, SAMPLE
from harness.webhooks import Webhook

JACKFIELD = str(Path(sys.executable).with_name("jackfield"))
SAMPLER = str(Path(__file__).with_name("sampler.py"))
OPERATOR_TOKEN = "only-for-benchmarks-on-loopback-0123456789"
SECRET = "only-for-benchmarks"
SECRET_KEY = "WEBHOOK_SECRET"
GITHUB = {"scheme": "github", "secretKey": SECRET_KEY}

_LISTENS = re.compile(r"listens on (http://127\.0\.0\.1:(\d+))")
_WORKS = re.compile(r"looks for executions")
_POLL_S = 0.01
_OPEN_FILES = 16_384


class Process:
    """``match``: what it printed when it was ready."""

    def __init__(self, process: subprocess.Popen[bytes], match: re.Match[str], *, is_sampled: bool) -> None:
        self.pid = process.pid
        self.match = match
        self._is_sampled = is_sampled

    @property
    def processor_s(self) -> float:
        """Processor seconds, those of the processes that it has started included."""
        return family_seconds(self.pid)

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Only what happens in the block is in the profile, if there is one."""
        if self._is_sampled:
            os.kill(self.pid, SAMPLE)
        yield
        if self._is_sampled:
            os.kill(self.pid, REST)


@contextmanager
def data_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="jackfield-benchmark-") as folder:
        yield Path(folder) / "data"


@contextmanager
def serving(
    data: Path, *options: str, profile: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator["Service"]:
    """``jackfield serve`` on a free port. ``profile``: a file for ``harness.sampler`` to write at the end."""
    with _running(["serve", "--port", "0", *options], data, _LISTENS, profile, env) as process:
        yield Service(process, data)


@contextmanager
def working(
    data: Path, *, profile: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """``jackfield worker``, a process of its own."""
    with _running(["worker"], data, _WORKS, profile, env) as process:
        yield process


class Service:
    """A running service, and the operator's access to it."""

    def __init__(self, process: Process, data: Path) -> None:
        self.process = process
        self.data = data
        self.url, self.port = process.match[1], int(process.match[2])

    @property
    def processor_s(self) -> float:
        """Of the service itself; PostgreSQL is not in it."""
        return family_seconds(self.process.pid, without=self._postmaster())

    @property
    def memory_mb(self) -> float:
        return memory_mb(self.process.pid)

    @property
    def postgres_s(self) -> float:
        """Processor seconds of the embedded PostgreSQL, all its processes together."""
        return family_seconds(self._postmaster())

    def tenant(self, slug: str) -> "Tenant":
        with _client(self.url, OPERATOR_TOKEN) as operator:
            id = _created(operator, "/tenants", slug=slug)["id"]
            token = _created(operator, f"/tenants/{id}/access-tokens", name="benchmark", scopes=["*"])
        return Tenant(self, slug, token["token"])

    def _postmaster(self) -> int:
        return int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])


class Tenant:
    """A tenant with one integration, whose webhooks are signed as GitHub's are."""

    def __init__(self, service: Service, slug: str, token: str) -> None:
        self._service = service
        self.slug = slug
        self._client = _client(service.url, token)
        self._numbers = count(1)
        self._home = f"/integrations/{_created(self._client, '/integrations', name='benchmark')['id']}"
        _created(self._client, f"{self._home}/secrets", key=SECRET_KEY, value=SECRET)

    def store(self, name: str) -> Webhook:
        """A handler that keeps what arrives."""
        return self._handler(name, target={"kind": "store"})

    def call(self, name: str, upstream: str, **default_args: object) -> Webhook:
        """A handler that posts to an upstream what arrives."""
        target = {"kind": "http", "method": "POST", "url": f"{upstream}/in"}
        return self._handler(name, target=target, defaultArgs=default_args)

    def integration(self) -> str:
        """Another one, by its address."""
        name = f"benchmark-{next(self._numbers)}"
        return f"/integrations/{_created(self._client, '/integrations', name=name)['id']}"

    def sync(self, integration: str, document: bytes) -> dict[str, Any]:
        """What a sync from a document says that it did."""
        response = self._client.post(
            f"{integration}/sync-handlers/document",
            content=document,
            headers={"Content-Type": "application/octet-stream"},
        )
        if not response.is_success:
            raise SystemExit(f"{integration}: {response.status_code} {response.text}")
        result: dict[str, Any] = response.json()
        return result

    def forget(self, integration: str) -> None:
        self._client.delete(integration).raise_for_status()

    def _handler(self, name: str, **fields: object) -> Webhook:
        _created(self._client, f"{self._home}/handlers", name=name, verification=GITHUB, **fields)
        return Webhook(self._service.port, f"/webhook/{self.slug}/{name}", SECRET.encode())


def allow_many_files() -> None:
    """For this process and those it starts: every connection is a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


@contextmanager
def _running(
    arguments: list[str],
    data: Path,
    ready: re.Pattern[str],
    profile: Path | None,
    env: Mapping[str, str] | None,
) -> Iterator[Process]:
    command = [JACKFIELD] if profile is None else [sys.executable, SAMPLER, str(profile)]
    log = data.with_name(f"{arguments[0]}.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *arguments, "--data", str(data)],
            stdout=output,
            stderr=output,
            env=_environment() | dict(env or {}),
            preexec_fn=end_with_parent,  # noqa: PLW1509 -- one system call, which takes no lock
        )
    try:
        yield Process(process, _wait_for(ready, log, process), is_sampled=profile is not None)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    """This process's without the settings of who measures: Jackfield's own defaults are measured."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("JACKFIELD_")}
    return own | {"JACKFIELD_OPERATOR_TOKEN": OPERATOR_TOKEN, "JACKFIELD_EGRESS_ALLOW": "127.0.0.1"}


def _wait_for(pattern: re.Pattern[str], log: Path, process: subprocess.Popen[bytes]) -> re.Match[str]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := pattern.search(log.read_text()):
            return found
        time.sleep(_POLL_S)
    raise SystemExit(f"jackfield did not start:\n{log.read_text()[-2000:]}")


def _client(url: str, token: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S)


def _created(client: httpx2.Client, path: str, **fields: object) -> dict[str, Any]:
    response = client.post(path, json=fields)
    if not response.is_success:
        raise SystemExit(f"{path}: {response.status_code} {response.text}")
    made: dict[str, Any] = response.json()
    return made
