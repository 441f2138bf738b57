"""The exported description of the API."""

import json
from pathlib import Path

import app
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
