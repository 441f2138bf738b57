"""The exported description of the API, and plans for others."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

import app
from app.cli import USAGE
from app.cli.openapi import DEFAULT_FILE


class TestExport:
    def test_writes_what_it_then_finds_unchanged(self, cli, tmp_path):
        file = tmp_path / "made" / "openapi.json"
        assert cli("openapi", "export", str(file))[0] == 0
        assert json.loads(file.read_text())["openapi"].startswith("3.1")
        assert cli("openapi", "export", "--check", str(file))[0] == 0

    def test_finds_a_difference(self, cli, tmp_path):
        file = tmp_path / "openapi.json"
        cli("openapi", "export", str(file))
        file.write_text(file.read_text().replace("Jackfield", "Fieldjack"))
        code, _, complaint = cli("openapi", "export", "--check", str(file))
        assert (code, complaint.count("\n")) == (1, 1)

    def test_misses_a_file(self, cli, tmp_path):
        assert cli("openapi", "export", "--check", str(tmp_path / "none.json"))[0] == 1

    def test_of_this_repository_is_current(self, cli):
        file = Path(app.__file__).parents[1] / DEFAULT_FILE
        assert cli("openapi", "export", "--check", str(file))[0] == 0


@pytest.fixture
def published() -> Iterator[str]:
    """An address on loopback that answers with a document."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"openapi: 3.0.0\npaths: {/pets: {get: {operationId: listPets}}}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not among the test's own output."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/openapi.yaml"
        server.shutdown()
        thread.join()


class TestPlan:
    DOCUMENT = {
        "openapi": "3.1.0",
        "paths": {
            "/sofa/pets": {"get": {"operationId": "listPets"}, "post": {"parameters": [{"$ref": "#/x"}]}},
            "/health": {"get": {}},
        },
    }

    def test_tells_what_a_sync_would_make(self, cli, tmp_path):
        file = tmp_path / "document.json"
        file.write_text(json.dumps(self.DOCUMENT))
        code, printed, _ = cli("openapi", "plan", str(file), "--json", "--name", "sofa")
        plan = json.loads(printed)
        assert code == 0
        assert plan["handlers"] == [
            {
                "name": "list-pets",
                "method": "GET",
                "path": "/sofa/pets",
                "operationId": "listPets",
                "degraded": False,
            },
            {
                "name": "pets-post",
                "method": "POST",
                "path": "/sofa/pets",
                "operationId": None,
                "degraded": True,
            },
        ]
        assert (plan["openapi"], plan["operations"]) == ("3.1.0", 3)
        assert [one["path"] for one in plan["skipped"]] == ["/health"]
        assert [one["pointer"] for one in plan["warnings"]] == ["/paths/~1sofa~1pets/post/parameters/0"]
        assert plan["parseMs"] > 0
        assert plan["planMs"] > 0
        assert plan["peakMb"] >= 0

    def test_is_a_line_for_each_handler(self, cli, tmp_path):
        file = tmp_path / "document.json"
        file.write_text(json.dumps(self.DOCUMENT))
        _, printed, _ = cli("openapi", "plan", str(file))
        lines = printed.splitlines()
        assert lines[0] == "list-pets\tGET\t/sofa/pets"
        assert lines[2].startswith("skipped GET /health: ")
        assert lines[3].startswith("warning /paths/~1sofa~1pets/post/parameters/0: ")
        assert lines[4].startswith("OpenAPI 3.1.0: 2 handlers, 1 skipped, 1 warnings; ")

    def test_is_made_of_what_an_address_answers(self, cli, monkeypatch, published):
        monkeypatch.setenv("JACKFIELD_EGRESS_ALLOW", "127.0.0.1")
        code, printed, _ = cli("openapi", "plan", published)
        assert (code, printed.splitlines()[0]) == (0, "list-pets\tGET\t/pets")

    def test_is_not_made_where_requests_may_not_go(self, cli, published):
        code, printed, complaint = cli("openapi", "plan", published)
        assert (code, printed) == (1, "")
        assert "127.0.0.1" in complaint

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("<html>", "HTML page"),
            ('{"openapi": "3.0.0",\n "paths": ', "line 2"),
            ("openapi: 3.0.0\npaths: [\n", "line 3, column 1"),
            ("a: 1", "neither `openapi` nor `swagger`"),
        ],
    )
    def test_says_in_a_line_what_is_wrong(self, cli, tmp_path, text, says):
        file = tmp_path / "document"
        file.write_text(text)
        code, _, complaint = cli("openapi", "plan", str(file))
        assert (code, complaint.count("\n")) == (1, 1)
        assert says in complaint

    def test_misses_a_file(self, cli, tmp_path):
        assert cli("openapi", "plan", str(tmp_path / "none"))[0] == USAGE


class TestDiff:
    @pytest.fixture
    def files(self, tmp_path) -> tuple[str, str]:
        """Two versions: one operation gone, one with another summary, one new."""
        old, new = tmp_path / "old.json", tmp_path / "new.yaml"
        paths = {"/a": {"get": {}}, "/b": {"get": {"summary": "B"}}}
        old.write_text(json.dumps({"openapi": "3.0.0", "paths": paths}))
        new.write_text("openapi: 3.1.0\npaths: {/b: {get: {}}, /c: {get: {}}}")
        return str(old), str(new)

    def test_tells_what_changed(self, cli, files):
        code, printed, _ = cli("openapi", "diff", *files)
        assert (code, printed.splitlines()) == (
            0,
            [
                "breaking\toperation_removed\tGET\t/a\t\t\t",
                "\toperation_added\tGET\t/c\t\t\t",
                "2 changes, 1 of them breaking",
            ],
        )

    def test_tells_it_as_json(self, cli, files):
        _, printed, _ = cli("openapi", "diff", *files, "--json")
        told = json.loads(printed)
        assert (told["old"]["openapi"], told["new"]["openapi"], told["breaking"]) == ("3.0.0", "3.1.0", 1)
        assert told["changes"][0] == {
            "kind": "operation_removed",
            "method": "GET",
            "path": "/a",
            "where": "",
            "before": None,
            "after": None,
            "breaking": True,
        }

    def test_fails_for_what_breaks_when_asked_to(self, cli, files):
        old, new = files
        assert cli("openapi", "diff", old, new, "--check")[0] == 1
        assert cli("openapi", "diff", new, new, "--check")[0] == 0


class TestCall:
    DOCUMENT = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example.com/v1"}],
        "paths": {
            "/pets/{petId}": {
                "post": {
                    "operationId": "updatePet",
                    "security": [{"key": []}],
                    "parameters": [{"name": "tags", "in": "query", "style": "pipeDelimited"}],
                    "requestBody": {"content": {"application/json": {"schema": {}}}},
                }
            }
        },
        "webhooks": {"newPet": {"post": {}}},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Auth"}}},
    }
    ARGS = '{"petId": "a/b", "tags": ["x", "y"], "name": "Rex"}'

    @pytest.fixture
    def file(self, tmp_path) -> str:
        file = tmp_path / "document.json"
        file.write_text(json.dumps(self.DOCUMENT))
        return str(file)

    @pytest.mark.parametrize("name", ["updatePet", "update-pet", "POST /pets/{petId}"])
    def test_prints_the_request_without_its_secrets(self, cli, file, monkeypatch, name):
        monkeypatch.setenv("API_KEY", "very-secret")
        code, printed, _ = cli(
            "openapi", "call", file, name, "--args", self.ARGS, "--secret", "API_KEY", "--dry-run"
        )
        assert (code, printed.splitlines()) == (
            0,
            [
                "POST https://api.example.com/v1/pets/a%2Fb?tags=x%7Cy",
                "X-Auth: [redacted]",
                "Content-Type: application/json",
                "Idempotency-Key: dry-run",
                "",
                '{"name":"Rex"}',
            ],
        )

    def test_goes_where_it_is_told(self, cli, file):
        options = ("--args", self.ARGS, "--base-url", "https://other.example/v1", "--dry-run")
        _, printed, _ = cli("openapi", "call", file, "updatePet", *options)
        assert printed.splitlines()[0] == "POST https://other.example/v1/pets/a%2Fb?tags=x%7Cy"

    @pytest.mark.parametrize(
        ("name", "options", "says"),
        [
            ("updatePet", (), "/petId: The path parameter is required."),
            ("updatePet", ("--args", '{"petId": ".."}'), "segment"),
            ("removePet", (), "no one operation is called removePet"),
            ("updatePet", ("--args", "["), "is not JSON"),
            ("updatePet", ("--args", "[]"), "must be a JSON object"),
            ("updatePet", ("--secret", "NOWHERE_TO_BE_FOUND"), "NOWHERE_TO_BE_FOUND"),
            ("new-pet-post", (), "no one operation"),
            ("new-pet", (), "is a webhook"),
        ],
    )
    def test_says_what_is_wrong(self, cli, file, name, options, says):
        code, printed, complaint = cli("openapi", "call", file, name, *options, "--dry-run")
        assert (code != 0, printed) == (True, "")
        assert says in " ".join(complaint.split())

    def test_sends_it_and_prints_the_answer(self, cli, file, monkeypatch, published):
        monkeypatch.setenv("JACKFIELD_EGRESS_ALLOW", "127.0.0.1")
        origin = published.removesuffix("/openapi.yaml")
        code, printed, _ = cli("openapi", "call", published, "listPets", "--base-url", origin)
        lines = printed.splitlines()
        assert (code, lines[0]) == (0, f"GET {origin}/pets")
        assert "HTTP 200" in lines
        assert lines[-1] == "paths: {/pets: {get: {operationId: listPets}}}"

    def test_sends_nothing_where_requests_may_not_go(self, cli, file):
        options = ("--args", self.ARGS, "--base-url", "http://127.0.0.1:9")
        code, _, complaint = cli("openapi", "call", file, "updatePet", *options)
        assert code == 1
        assert "127.0.0.1" in complaint


class TestSchema:
    def test_tells_what_an_operation_takes_and_gives(self, cli, tmp_path):
        file = tmp_path / "document.json"
        answer = {"content": {"application/json": {"schema": {"type": "array"}}}}
        limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
        operation = {"operationId": "listPets", "parameters": [limit], "responses": {"200": answer}}
        file.write_text(json.dumps({"openapi": "3.0.0", "paths": {"/pets": {"get": operation}}}))
        code, printed, _ = cli("openapi", "schema", str(file), "list-pets")
        told = json.loads(printed)
        assert (code, told["input"]["properties"]) == (0, {"limit": {"type": "integer"}})
        assert told["output"]["type"] == "array"
