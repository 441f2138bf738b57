"""What keeps the service from starting: one line, an exit code, and nothing left running."""

import base64
import gc
import socket
import sys

import pytest

from app.cli import main
from app.core import logging
from app.core.boot import EX_CONFIG
from app.server import boot
from tests.fixtures.command import as_setting, jackfield

FAILED = 1
OTHER_KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture
def refusal(installation, monkeypatch, capsys):
    """Serve with these settings, in vain: the exit code, and the line. In this process, unhardened."""

    def refuse(*options: str, **env: str) -> tuple[int, str]:
        monkeypatch.setattr(gc, "freeze", lambda: None)
        monkeypatch.setattr(boot, "harden_process", lambda: None)
        monkeypatch.setattr(logging, "configure", lambda *_: None)
        monkeypatch.setattr(sys, "argv", ["jackfield", "serve", *options])
        for name, value in {"JACKFIELD_DATA": str(installation), "JACKFIELD_PORT": "0", **env}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("jackfield: ")
        assert printed.err.count("\n") == 1
        assert not (installation / "postgres" / "postmaster.pid").exists()
        return ended.value.code, printed.err

    return refuse


class TestKeys:
    def test_another_key(self, refusal):
        code, line = refusal(JACKFIELD_MASTER_KEY=OTHER_KEY)
        assert code == EX_CONFIG
        assert "sealed with master key" in line
        assert OTHER_KEY not in line

    def test_no_key_for_a_database_that_has_one(self, refusal, tmp_path):
        lost = tmp_path / "lost.key"
        code, line = refusal(JACKFIELD_MASTER_KEY_FILE=str(lost))
        assert code == EX_CONFIG
        assert f"restore {lost}" in line
        assert not lost.exists()

    def test_a_key_of_the_wrong_size(self, refusal):
        code, line = refusal(JACKFIELD_MASTER_KEY="c2hvcnQ=")
        assert code == EX_CONFIG
        assert "32 bytes" in line
        assert "c2hvcnQ=" not in line


class TestDatabase:
    def test_nobody_answers(self, refusal):
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            port = unheard.getsockname()[1]
            code, line = refusal(JACKFIELD_DATABASE_URL=f"postgresql://app:hidden@127.0.0.1:{port}/jackfield")
        assert code == FAILED
        assert "does not let us in" in line
        assert "hidden" not in line

    def test_never_migrated(self, refusal, fresh_database):
        code, line = refusal(JACKFIELD_DATABASE_URL=as_setting(fresh_database.app))
        assert code == EX_CONFIG
        assert "run `jackfield migrate`" in line

    def test_a_login_that_row_level_security_does_not_bind(self, refusal, database_urls):
        code, line = refusal(JACKFIELD_DATABASE_URL=as_setting(database_urls.admin))
        assert code == EX_CONFIG
        assert "superuser" in line

    def test_a_parameter_that_would_be_ignored(self, refusal):
        code, line = refusal(JACKFIELD_DATABASE_URL="postgresql://app@127.0.0.1/jackfield?sslcompression=1")
        assert code == EX_CONFIG
        assert "sslcompression" in line


class TestAddress:
    def test_a_port_that_is_taken(self, installation):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            ended = jackfield("serve", "--port", str(port), data=installation)
        assert (ended.returncode, ended.stdout) == (FAILED, "")
        assert ended.stderr == (
            f"jackfield: Port {port} of 127.0.0.1 is taken: "
            "stop who uses it, or choose another with --port.\n"
        )

    def test_an_address_of_another_machine(self, refusal):
        code, line = refusal("--host", "192.0.2.1")  # RFC 5737: nobody's
        assert code == EX_CONFIG
        assert "192.0.2.1" in line


class TestSettings:
    def test_one_that_is_not_valid(self, refusal):
        code, line = refusal(JACKFIELD_PORT="http")
        assert code == EX_CONFIG
        assert "JACKFIELD_PORT" in line
