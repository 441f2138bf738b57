"""How the service starts and stops, as its operator sees it."""

import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.fixtures.command import as_setting, jackfield, running
from tests.fixtures.process import BASE_URL, environment, serving

OPERATOR_TOKEN = "operator-token-of-the-tests-0123456789"


def is_database_running(data: Path) -> bool:
    return (data / "postgres" / "postmaster.pid").exists()


def send_half(base_url: str) -> socket.socket:
    """The head of a request for a new tenant, and half of its body."""
    to = urlsplit(base_url)
    client = socket.create_connection((to.hostname, to.port))
    client.sendall(
        b"POST /tenants HTTP/1.1\r\nHost: jackfield.test\r\nContent-Type: application/json\r\n"
        b"Content-Length: 18\r\nConnection: close\r\n"
        b"Authorization: Bearer " + OPERATOR_TOKEN.encode() + b'\r\n\r\n{"slug": '
    )
    return client


class TestStart:
    def test_answers_on_one_data_folder_as_often_as_it_is_started(self, installation):
        with serving(installation) as first:
            base_url = first.read_until(BASE_URL)[0]
            with serving(installation) as second:
                other_url = second.read_until(BASE_URL)[0]
                assert other_url != base_url
                assert httpx2.get(f"{other_url}/readyz").json()["status"] == "ok"
                assert second.stop() == 0
            answer = httpx2.get(f"{base_url}/readyz")
        assert answer.json()["status"] == "ok"
        assert "server" not in answer.headers

    @pytest.mark.skipif(shutil.which("curl") is None, reason="the printed commands use curl")
    def test_prints_commands_that_work(self, tmp_path):
        with serving(tmp_path) as process:
            patterns = r"  (\S.* tenants create .*)", r"  (TOKEN=.*)", r"  (curl .*)"
            commands = [process.read_until(pattern)[1] for pattern in patterns]
            ended = subprocess.run(
                ["/bin/sh", "-euc", "\n".join(commands)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(tmp_path),
            )
        assert ended.stdout.splitlines()[-1] == "[]"
        assert stat.S_IMODE((tmp_path / "keys" / "master.key").stat().st_mode) == 0o600

    def test_brings_an_external_database_to_this_release_when_told(self, fresh_database, tmp_path):
        env = {
            "JACKFIELD_DATABASE_URL": as_setting(fresh_database.app),
            "JACKFIELD_WORKER_DATABASE_URL": as_setting(fresh_database.worker),
            "JACKFIELD_ADMIN_DATABASE_URL": as_setting(fresh_database.admin),
        }
        with serving(tmp_path, "--migrate", env=env) as process:
            base_url = process.read_until(BASE_URL)[0]
            assert httpx2.get(f"{base_url}/readyz").status_code == 200
        assert not (tmp_path / "postgres").exists()


class TestStop:
    def test_stops_its_database_too(self, tmp_path):
        with serving(tmp_path, "--no-worker") as process:
            process.read_until(BASE_URL)
            assert is_database_running(tmp_path)
            process.process.send_signal(signal.SIGINT)
            assert process.wait() == 0
        assert not is_database_running(tmp_path)

    def test_finishes_the_request_that_it_reads(self, installation):
        with running("serve", data=installation, env={"JACKFIELD_OPERATOR_TOKEN": OPERATOR_TOKEN}) as process:
            base_url = process.read_until(BASE_URL)[0]
            with send_half(base_url) as client:
                httpx2.get(f"{base_url}/livez")  # is answered after the half was read
                process.process.send_signal(signal.SIGTERM)
                process.read_until("process.draining")
                client.sendall(b'"globex"}')
                assert client.makefile("rb").readline() == b"HTTP/1.1 201 Created\r\n"
            assert process.wait() == 0

    def test_is_not_ready_while_it_drains_and_ends_at_once_when_told_twice(self, tmp_path):
        with running("serve", data=tmp_path, env={"JACKFIELD_DRAIN_DELAY": "60"}) as process:
            base_url = process.read_until(BASE_URL)[0]
            process.process.terminate()
            process.read_until("process.draining")
            answer = httpx2.get(f"{base_url}/readyz")
            assert (answer.status_code, answer.json()["checks"]["accepting"]) == (503, False)
            process.process.terminate()
            assert process.wait() == 128 + signal.SIGTERM
        # Nobody stopped the database: whoever uses it next does.
        assert is_database_running(tmp_path)
        assert jackfield("doctor", data=tmp_path).returncode == 0
        assert not is_database_running(tmp_path)


class TestWorker:
    def test_runs_without_the_api(self, installation):
        with running("worker", data=installation) as process:
            process.read_until("looks for executions")
            assert process.stop() == 0
