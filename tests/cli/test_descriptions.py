"""Descriptions in several files, as the commands are given them."""

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest


def ref(to: str) -> dict[str, str]:
    return {"$ref": to}


LIMIT = {"name": "limit", "in": "query", "schema": ref("schemas/limit.json")}
PET = {"get": {"operationId": "showPet", "parameters": [ref("../parameters.json#/limit")]}}
FILES = {
    "openapi.json": {"openapi": "3.0.0", "paths": {"/pet": ref("paths/pet.json")}},
    "paths/pet.json": PET,
    "parameters.json": {"limit": LIMIT},
    "schemas/limit.json": {"type": "integer", "default": 20},
}


def write(folder: Path, files: dict[str, object]) -> str:
    for name, value in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    return str(folder / "openapi.json")


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Not among the test's own output."""


@pytest.fixture
def served(tmp_path) -> Iterator[str]:
    """An address on loopback at which the files are."""
    write(tmp_path, FILES)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/openapi.json"
        server.shutdown()
        thread.join()


class TestFolder:
    @pytest.fixture
    def source(self, tmp_path) -> str:
        return write(tmp_path / "api", FILES)

    def test_is_planned_as_one(self, cli, source):
        code, printed, _ = cli("openapi", "plan", source, "--json")
        made = json.loads(printed)
        assert (code, [one["name"] for one in made["handlers"]]) == (0, ["show-pet"])
        assert (made["skipped"], made["warnings"]) == ([], [])

    def test_is_compared_with_all_of_its_files(self, cli, source, tmp_path):
        limit = {"type": "string", "default": 20}
        changed = write(tmp_path / "new", {**FILES, "schemas/limit.json": limit})
        code, printed, _ = cli("openapi", "diff", source, changed, "--json")
        [change] = json.loads(printed)["changes"]
        assert (code, change["path"], change["where"]) == (0, "/pet", "query/limit")

    def test_is_called_by_what_other_files_say(self, cli, source):
        server = ("--base-url", "https://api.example.com", "--dry-run")
        code, printed, _ = cli("openapi", "call", source, "showPet", "--args", '{"limit": 7}', *server)
        assert (code, printed.splitlines()[0]) == (0, "GET https://api.example.com/pet?limit=7")

    def test_gives_schemas_of_other_files(self, cli, source):
        code, printed, _ = cli("openapi", "schema", source, "show-pet")
        told = json.loads(printed)["input"]
        assert (code, '"integer"' in json.dumps(told)) == (0, True)

    def test_ends_where_it_does(self, cli, source, tmp_path):
        write(tmp_path, {"secret.json": PET})
        paths = {"/up": ref("../secret.json"), "/abs": ref(str(tmp_path / "secret.json"))}
        write(tmp_path / "api", {"openapi.json": {"openapi": "3.0.0", "paths": paths}})
        code, printed, _ = cli("openapi", "plan", source, "--json")
        made = json.loads(printed)
        assert (code, made["handlers"], [one["path"] for one in made["skipped"]]) == (0, [], ["/up", "/abs"])


class TestFilesThatCannotBeRead:
    @pytest.mark.parametrize("name", ["none.json", "folder", "x" * 300, "a%00b", "itself", "linked.json"])
    def test_are_left_out(self, cli, tmp_path, name):
        paths = {"/pet": ref(name), "/pets": {"get": {"operationId": "listPets"}}}
        source = write(tmp_path / "api", {"openapi.json": {"openapi": "3.0.0", "paths": paths}})
        write(tmp_path, {"secret.json": PET})
        (tmp_path / "api/folder").mkdir()
        (tmp_path / "api/itself").symlink_to("itself")
        (tmp_path / "api/linked.json").symlink_to(tmp_path / "secret.json")
        code, printed, complaint = cli("openapi", "plan", source, "--json")
        made = json.loads(printed)
        assert (code, complaint) == (0, "")
        assert [one["name"] for one in made["handlers"]] == ["list-pets"]
        assert [one["path"] for one in made["skipped"]] == ["/pet"]


class TestAddress:
    def test_is_planned_with_the_files_beside_it(self, cli, monkeypatch, served):
        monkeypatch.setenv("JACKFIELD_EGRESS_ALLOW", "127.0.0.1")
        code, printed, _ = cli("openapi", "plan", served)
        assert (code, printed.splitlines()[0]) == (0, "show-pet\tGET\t/pet")
