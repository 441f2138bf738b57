"""Tenants and tokens from the command line, on a data folder that nobody serves."""

import base64
import importlib
import re
import subprocess
import sys
import uuid
from importlib.metadata import version

import httpx2
import pytest
from typer.main import get_command

from app.auth import tokens
from app.cli import COMMANDS
from app.db.migrate import head_revision
from tests.fixtures.process import BASE_URL, serving

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def tenant(cli) -> str:
    """The slug of a new one."""
    slug = f"tenant-{uuid.uuid4().hex}"
    assert cli("tenants", "create", slug)[0] == 0
    return slug


def create_token(cli, tenant: str, *options: str) -> tuple[int, str, str]:
    return cli("tokens", "create", "--tenant", tenant, "--name", "ci", *options)


class TestTenants:
    def test_are_listed_once_made(self, cli):
        code, printed, _ = cli("tenants", "create", "acme", "--name", "Acme Inc.")
        assert code == 0
        id = UUID.search(printed)[0]
        _, listed, _ = cli("tenants", "list")
        assert ["acme", "Acme Inc.", "active", id] in [line.split("\t")[:4] for line in listed.splitlines()]

    def test_are_suspended_and_activated(self, cli, tenant):
        assert cli("tenants", "suspend", tenant)[:2] == (0, f"Tenant {tenant} is suspended.\n")
        assert cli("tenants", "activate", tenant)[:2] == (0, f"Tenant {tenant} is active.\n")

    def test_refuse_a_slug_that_is_taken(self, cli, tenant):
        code, printed, complaint = cli("tenants", "create", tenant)
        assert (code, printed, complaint.count("\n")) == (1, "", 1)
        assert complaint.startswith("jackfield: ")

    def test_refuse_a_slug_that_is_none(self, cli):
        code, _, complaint = cli("tenants", "create", "Not A Slug")
        assert (code, complaint.count("\n")) == (2, 1)
        assert "slug" in complaint

    def test_that_are_not_known_cannot_be_suspended(self, cli):
        assert cli("tenants", "suspend", "nobody")[::2] == (1, "jackfield: There is no such resource.\n")


class TestTokens:
    def test_quietly_are_all_that_is_printed(self, cli, tenant):
        code, printed, complaint = create_token(cli, tenant, "--scope", "*", "--quiet")
        assert (code, complaint) == (0, "")
        assert tokens.is_well_formed(printed.removesuffix("\n"))

    def test_are_shown_once(self, cli, tenant):
        _, printed, _ = create_token(cli, tenant, "--scope", "secrets:read", "--scope", "events:read")
        token, id = printed.splitlines()[0], UUID.search(printed)[0]
        _, listed, _ = cli("tokens", "list", "--tenant", tenant)
        row = listed.rstrip("\n").split("\t")
        assert row[:4] == [id, "ci", token[:11], "events:read secrets:read"]
        assert row[-1] == "never"
        assert token not in listed

    def test_are_gone_once_revoked(self, cli, tenant):
        _, printed, _ = create_token(cli, tenant, "--scope", "*")
        id = UUID.search(printed)[0]
        assert cli("tokens", "revoke", id, "--tenant", tenant)[:2] == (0, f"Token {id} is revoked.\n")
        assert cli("tokens", "list", "--tenant", tenant)[:2] == (0, "")
        assert cli("tokens", "revoke", id, "--tenant", tenant)[0] == 1

    def test_of_another_tenant_cannot_be_revoked(self, cli, tenant):
        _, printed, _ = create_token(cli, tenant, "--scope", "*")
        cli("tenants", "create", "stranger")
        assert cli("tokens", "revoke", UUID.search(printed)[0], "--tenant", "stranger")[0] == 1

    def test_need_scopes_that_exist(self, cli, tenant):
        code, printed, complaint = create_token(cli, tenant, "--scope", "everything:now")
        assert (code, printed) == (1, "")
        assert "/scopes/0: not a known scope" in complaint

    def test_expire_within_a_year(self, cli, tenant):
        assert create_token(cli, tenant, "--scope", "*", "--expires-in-days", "366")[0] == 0
        assert create_token(cli, tenant, "--scope", "*", "--expires-in-days", "367")[0] == 2


class TestBesideTheService:
    def test_works_on_the_data_folder_that_is_served(self, cli, data):
        with serving(data, "--no-worker") as process:
            base_url = process.read_until(BASE_URL)[0]
            cli("tenants", "create", "beside")
            _, token, _ = create_token(cli, "beside", "--scope", "audit:read", "--quiet")
            records = httpx2.get(
                f"{base_url}/audit-logs", headers={"Authorization": f"Bearer {token.strip()}"}
            ).json()
        assert {record["action"] for record in records} == {"tenant.created", "access_token.created"}
        assert {(record["actor"]["type"], record["actor"]["id"]) for record in records} == {
            ("operator", "cli")
        }


class TestDoctor:
    def test_finds_everything_fit(self, cli, tenant):
        code, printed, _ = cli("doctor")
        found = dict(line.split("\t")[:2] for line in printed.splitlines())
        assert (code, found) == (0, {"database": "ok", "role": "ok", "revision": "ok", "keys": "ok"})

    def test_names_each_fault_and_goes_on(self, cli, tenant, monkeypatch):
        monkeypatch.setenv("JACKFIELD_MASTER_KEY", base64.b64encode(bytes(32)).decode())
        code, printed, _ = cli("doctor")
        assert code == 1
        assert "revision\tok" in printed
        assert "keys\tfailed\tThe database is sealed with master key" in printed

    def test_needs_a_database_to_say_more(self, cli, monkeypatch):
        monkeypatch.setenv("JACKFIELD_DATABASE_URL", "postgresql://app:hidden@nobody.invalid/jackfield")
        code, printed, _ = cli("doctor")
        assert (code, len(printed.splitlines())) == (1, 1)
        assert printed.startswith("database\tfailed\t")
        assert "hidden" not in printed


class TestMigrate:
    def test_says_where_it_arrived(self, cli):
        assert cli("migrate")[:2] == (0, f"The database is at revision {head_revision()}.\n")


class TestHelp:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_says_of_each_command_what_the_command_says_itself(self, cli, name):
        command = get_command(importlib.import_module(f"app.cli.{name}").commands)
        assert " ".join(command.help.split()) == COMMANDS[name]

    def test_imports_no_command(self):
        code = "import sys; from app.cli import main; sys.argv[1:] = ['--help']\n"
        code += "try: main()\nfinally: print([name for name in sys.modules if name.startswith('sqlalchemy')])"
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert asked.stdout.splitlines()[-1] == "[]"


class TestVersion:
    def test_is_that_of_the_package(self, cli):
        assert cli("version")[:2] == (0, f"jackfield {version('jackfield')}\n")
