"""The catalogue, and what is wrong with records, without a database."""

import json

import pytest

from app.cli import USAGE
from app.connectors.catalogue import FOLDER, connectors
from app.connectors.definition import Connector


class TestList:
    def test_is_a_line_for_each(self, cli):
        code, printed, _ = cli("connectors", "list", "--search", "airtab")
        assert code == 0
        assert [line.split("\t")[:2] for line in printed.splitlines()[:-1]] == [["airtable", "Airtable"]]

    def test_takes_filters(self, cli):
        printed = cli("connectors", "list", "--auth", "oauth1", "--json")[1]
        assert {one["slug"] for one in json.loads(printed)} == {
            slug for slug, one in connectors().items() if one.auth.oauth1
        }


class TestShow:
    def test_prints_what_the_file_says(self, cli):
        printed = cli("connectors", "show", "airtable")[1]
        assert json.loads(printed) == json.loads((FOLDER / "airtable.json").read_text())

    def test_knows_no_other(self, cli):
        code, _, complaint = cli("connectors", "show", "no-such")
        assert code == USAGE
        assert "there is no connector no-such" in complaint


class TestLint:
    @pytest.fixture
    def record(self, tmp_path):
        def write(name: str = "acme.json", **changes: object) -> str:
            stated = {"slug": "acme", "name": "Acme", "auth": {"bearer": {}}, **changes}
            (tmp_path / name).write_text(json.dumps(stated))
            return str(tmp_path / name)

        return write

    def test_says_nothing_of_what_is_right(self, cli, record):
        assert cli("connectors", "lint", record())[0] == 0
        assert cli("connectors", "lint", str(FOLDER))[0] == 0

    def test_points_at_each_fault(self, cli, record, tmp_path):
        record("other.json")
        record("wrong.json", slug="wrong", auth={"bearer": {}, "magic": 1}, docs="http://example.com")
        code, _, complaint = cli("connectors", "lint", str(tmp_path))
        assert code == 1
        assert "other.json: /slug: is not the name of the file" in complaint
        assert "wrong.json: /docs: " in complaint
        assert "wrong.json: /auth/magic: " in complaint

    def test_misses_a_file(self, cli, tmp_path):
        assert cli("connectors", "lint", str(tmp_path / "none.json"))[0] == 1


def test_schema_is_that_of_the_reader(cli):
    assert json.loads(cli("connectors", "schema")[1]) == Connector.model_json_schema()
