"""Documents that are made to hurt: small ones that multiply, large ones that take many times their size."""

import orjson
import pytest

from app.openapi_sync import document, operations, references, yaml_child
from app.openapi_sync.document import read
from app.openapi_sync.errors import DocumentTooComplex
from app.openapi_sync.operation import Operation, Skipped

MANY = 20_000


def found(**parts: object) -> list[Operation | Skipped]:
    return list(operations.operations(read(orjson.dumps({"openapi": "3.1.0", **parts}))))


def paths(item: object, count: int = MANY) -> dict[str, object]:
    return {f"/{number}": item for number in range(count)}


def body(schema: object) -> dict[str, object]:
    return {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}


class TestWhatMultiplies:
    @pytest.mark.parametrize(
        "parts",
        [
            {
                "x-item": {"get": {"parameters": [{"name": f"p{n}", "in": "query"} for n in range(512)]}},
                "paths": paths({"$ref": "#/x-item"}),
            },
            {
                "x-schema": {"properties": {f"p{n}": {} for n in range(10_000)}},
                "paths": paths(body({"allOf": [{"$ref": "#/x-schema"}]})),
            },
            {
                "x-parameter": {"name": "p", "in": "query", "schema": {"default": "x" * 60_000}},
                "paths": paths({"get": {"parameters": [{"$ref": "#/x-parameter"}]}}),
            },
            {
                "security": [{f"s{n}": [] for n in range(16)}] * 32,
                "components": {"securitySchemes": {f"s{n}": {"type": "oauth2"} for n in range(16)}},
                "paths": paths({"get": {}}),
            },
        ],
        ids=["parameters", "properties", "defaults", "security"],
    )
    def test_is_refused(self, parts):
        with pytest.raises(DocumentTooComplex, match="multiplies"):
            found(**parts)

    def test_is_refused_for_the_time_it_takes(self, monkeypatch):
        monkeypatch.setattr(operations, "MAX_CPU_SECONDS", -1)
        with pytest.raises(DocumentTooComplex, match="multiplies"):
            found(paths={"/a": {"get": {}}})

    def test_is_read_once_when_it_contains_itself(self):
        schema = {"properties": {"a": {"$ref": "#/nowhere"}}, "allOf": [{"$ref": "#/x-schema"}] * 1000}
        [operation] = found(**{"x-schema": schema}, paths={"/a": body({"$ref": "#/x-schema"})})
        assert len(operation.warnings) == 1

    def test_ends_where_references_lead_in_a_circle(self):
        items = found(
            **{"x-a": {"$ref": "#/x-b"}, "x-b": {"$ref": "#/x-a"}}, paths=paths({"$ref": "#/x-a"}, 9)
        )
        assert [one.method for one in items] == ["*"] * 9


class TestWhatIsReferredTo:
    def test_is_read_once_however_it_is_spelled(self, monkeypatch):
        read_as = []
        monkeypatch.setattr(references, "take", lambda kind, raw: read_as.append(raw) or kind())
        spellings = ["#/x-a", "#/%78-a", "#/x%2Da", "#/x%2da", "#/x-%61"]
        found(**{"x-a": {}}, paths={"/a": {"get": {"parameters": [{"$ref": one} for one in spellings]}}})
        assert len(read_as) == 1

    def test_is_not_looked_for_endlessly(self):
        steps = "/a" * (references.MAX_STEPS + 1)
        nested: object = {"name": "p", "in": "query"}
        for _ in range(references.MAX_STEPS + 1):
            nested = {"a": nested}
        [operation] = found(**nested, paths={"/a": {"get": {"parameters": [{"$ref": f"#{steps}"}]}}})
        assert operation.is_degraded
        assert "steps" in operation.warnings[0].message


class TestWhatIsTooMuch:
    @pytest.mark.parametrize("piece", [b"{},", b'"ab",'])
    def test_is_refused_before_it_is_read(self, monkeypatch, piece):
        monkeypatch.setattr(document, "take_description", None)
        raw = b'{"openapi": "3.0.0", "paths": {}, "x": [' + piece * 3_100_000 + b"{}]}"
        with pytest.raises(DocumentTooComplex, match="objects"):
            read(raw)

    def test_is_refused_after_it_was_yaml_as_well(self, monkeypatch):
        monkeypatch.setattr(document, "SMALL", 1000)
        monkeypatch.setattr(document, "MAX_COMMAS", 2000)
        with pytest.raises(DocumentTooComplex, match="objects"):
            read(b"openapi: 3.0.0\npaths: {}\nx:\n" + b"- a\n" * 3000)

    def test_of_nul_characters_is_refused(self, monkeypatch):
        monkeypatch.setattr(document, "MAX_NULS", 10)
        with pytest.raises(DocumentTooComplex, match="NUL"):
            read(b'{"openapi": "3.0.0", "paths": {}, "x": "' + b"\\u0000" * 11 + b'"}')

    def test_of_lines_is_refused(self, monkeypatch):
        monkeypatch.setattr(yaml_child, "MAX_LINES", 10)
        with pytest.raises(DocumentTooComplex, match="lines"):
            yaml_child.answer_to(b"a: 1\n" * 11)

    def test_memory_is_more_than_its_size_explains(self):
        """What is read takes forty times its size, though less than a larger document might."""
        with pytest.raises(DocumentTooComplex, match="times its size"):
            read(b"- " * 4_000_000)

    def test_may_be_large_in_few_pieces(self):
        assert read(b'{"openapi": "3.0.0", "paths": {}, "x": "' + b"a" * 8_000_000 + b'"}').warnings == ()

    def test_of_paths_is_refused(self, monkeypatch):
        monkeypatch.setattr(operations, "MAX_PATHS", 10)
        with pytest.raises(DocumentTooComplex, match="more than 10 paths"):
            found(paths=paths({}, 11))

    def test_of_one_list_is_cut(self):
        many = [{"name": f"p{n}", "in": "query"} for n in range(5_000)]
        [skipped] = found(paths={"/a": {"get": {"parameters": many}}})
        assert "parameters" in skipped.reason
        [operation] = found(servers=[{"url": f"/{n}"} for n in range(1000)], paths={"/a": {"get": {}}})
        assert len(operation.servers) < 100

    def test_of_backslashes_is_no_trouble(self):
        run = b"\\\\" * 500_000
        made = read(b'{"openapi": "3.0.0", "paths": {}, "x": "' + run + b"\\u0000" + run + b'u0000"}')
        assert made.text.count(rb"\ufffd") == 1
        assert made.text.count(b"u0000") == 1
