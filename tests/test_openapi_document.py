"""What clients, generators and CI rely on in ``openapi/openapi.json``."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import app
from app.main import create_routes, describe
from app.openapi_sync.document import read
from app.openapi_sync.operation import Operation
from app.openapi_sync.operations import operations

FILE = Path(app.__file__).parents[1] / "openapi" / "openapi.json"
METHODS = ("get", "put", "post", "delete", "patch")
WITHOUT_A_TOKEN = {"health", "problems"}
DOCUMENT = json.loads(FILE.read_text())
OPERATIONS = [
    pytest.param(item[method], id=f"{method.upper()} {path}")
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
]


class TestFile:
    def test_is_what_the_service_answers(self):
        """To bring it up to date: ``jackfield openapi export``."""
        assert json.loads(json.dumps(describe(create_routes()))) == DOCUMENT

    def test_can_be_read_by_our_own_sync_without_an_oddity(self):
        document = read(FILE.read_bytes())
        found = [one for one in operations(document) if isinstance(one, Operation)]
        assert document.warnings == ()
        assert not any(one.is_degraded for one in found)
        assert {one.operation_id for one in found} | {"isAlive", "isReady"} == {
            operation.values[0]["operationId"] for operation in OPERATIONS
        }

    def test_refers_to_nothing_that_is_not_there(self):
        for reference in set(re.findall(r'"\$ref": ?"#/([^"]+)"', FILE.read_text())):
            node = DOCUMENT
            for part in reference.split("/"):
                node = node[part]

    def test_holds_no_schema_that_nothing_refers_to(self):
        text = FILE.read_text()
        unused = [
            name for name in DOCUMENT["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text
        ]
        assert unused == []

    def test_names_each_operation_once(self):
        counts = Counter(operation.values[0]["operationId"] for operation in OPERATIONS)
        assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("operation", OPERATIONS)
class TestOperation:
    def test_has_a_name_that_can_be_a_method(self, operation):
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", operation["operationId"])

    def test_says_in_a_line_what_it_does(self, operation):
        assert re.fullmatch(r"[A-Z][^.]{3,60}", operation["summary"])

    def test_belongs_to_one_described_group(self, operation):
        (tag,) = operation["tags"]
        assert tag in {known["name"] for known in DOCUMENT["tags"]}

    def test_says_who_may_call_it(self, operation):
        is_open = "security" not in operation
        assert is_open == (operation["tags"][0] in WITHOUT_A_TOKEN)

    def test_describes_a_success_and_its_errors(self, operation):
        statuses = operation["responses"].keys()
        assert any(status.startswith("2") for status in statuses)
        assert "default" in statuses
        assert "security" not in operation or {"401", "403"} <= statuses
