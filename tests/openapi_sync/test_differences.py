import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openapi_sync import differences as module
from app.openapi_sync.differences import Difference, Kind, differences
from app.openapi_sync.document import Document, read
from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable, NotOpenApi
from tests.openapi_sync.documents import openapi, swagger
from tests.openapi_sync.test_operations import ODD, RICH, places, replaced

SPECS = os.environ.get("JACKFIELD_SPECS")

Found = list[tuple[Kind, str, object, object]]


def told(old: Document, new: Document) -> Found:
    return [(one.kind, one.where, one.before, one.after) for one in differences(old, new)]


def between(old: object, new: object, **components: object) -> Found:
    """The differences of two operations at the same path."""
    return told(*(openapi({"/pets": {"post": one}}, components=components) for one in (old, new)))


def query(name: str = "limit", **more: object) -> dict[str, object]:
    return {"parameters": [{"name": name, "in": "query", **more}]}


def body(schema: object, **more: object) -> dict[str, object]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, **more}}


class TestOperations:
    def test_come_and_go(self):
        old, new = openapi({"/a": {"get": {}}}), openapi({"/b": {"get": {}}})
        assert differences(old, new) == [
            Difference(Kind.OPERATION_REMOVED, "GET", "/a"),
            Difference(Kind.OPERATION_ADDED, "GET", "/b"),
        ]

    def test_are_known_again_at_another_path(self):
        old = openapi({"/a/{id}": {"get": {"operationId": "a"}}})
        new = openapi({"/b/{id}": {"get": {"operationId": "a"}}})
        assert told(old, new) == [(Kind.METHOD_OR_PATH_CHANGED, "", "GET /a/{id}", "GET /b/{id}")]

    def test_may_name_their_path_parameters_anew(self):
        def item(name: str) -> object:
            declared = {"name": name, "in": "path", "required": True, "schema": {"type": "integer"}}
            return {f"/a/{{{name}}}": {"get": {"parameters": [declared]}}}

        assert [kind for kind, *_ in told(openapi(item("id")), openapi(item("petId")))] == [
            Kind.METHOD_OR_PATH_CHANGED
        ]

    def test_may_be_called_otherwise(self):
        assert between({"operationId": "a"}, {"operationId": "b"}) == [
            (Kind.OPERATION_ID_CHANGED, "", "a", "b")
        ]

    def test_are_found_behind_references(self):
        old, new = (
            openapi({"/a": {"$ref": "#/x-item"}}, **{"x-item": {"get": query(required=required)}})
            for required in (False, True)
        )
        assert told(old, new) == [(Kind.INPUT_BECAME_REQUIRED, "query/limit", None, None)]

    @pytest.mark.parametrize("reference", ["#/x-loop", "other.yaml", 7, []])
    def test_are_removed_when_their_path_leads_nowhere(self, reference):
        old = openapi({"/a": {"get": query()}})
        new = openapi({"/a": {"$ref": reference}}, **{"x-loop": {"$ref": "#/x-loop"}})
        assert [kind for kind, *_ in told(old, new)] == [Kind.OPERATION_REMOVED]

    def test_may_be_served_elsewhere(self):
        old, new = (openapi({"/a": {"get": {}}}, servers=[{"url": url}]) for url in ("/v1", "/v2"))
        assert told(old, new) == [(Kind.SERVER_CHANGED, "", ("/v1",), ("/v2",))]


class TestSecurity:
    SCHEMES = {name: {"type": "http", "scheme": "bearer"} for name in "abc"}

    def changed(self, old: object, new: object) -> bool:
        found = between({"security": old}, {"security": new}, securitySchemes=self.SCHEMES)
        return [kind for kind, *_ in found] == [Kind.SECURITY_CHANGED]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ([], [{"a": []}]),
            ([{"a": []}], [{"b": []}]),
            ([{"a": []}], [{"a": [], "b": []}]),
            ([{"a": []}, {"b": []}], [{"a": []}]),
        ],
    )
    def test_breaks_whom_it_shuts_out(self, old, new):
        assert self.changed(old, new)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ([{"a": []}], []),
            ([{"a": []}], [{"a": []}, {"b": []}]),
            ([{"a": [], "b": []}], [{"a": []}]),
            ([{"a": []}], [{}]),
        ],
    )
    def test_lets_in_whom_it_let_in_before(self, old, new):
        assert not self.changed(old, new)


class TestInputs:
    @pytest.mark.parametrize(
        ("old", "new", "kind"),
        [
            ({}, query(), Kind.INPUT_ADDED),
            ({}, query(required=True), Kind.REQUIRED_INPUT_ADDED),
            (query(), {}, Kind.INPUT_REMOVED),
            (query(), query(required=True), Kind.INPUT_BECAME_REQUIRED),
            (query(required=True), query(), Kind.INPUT_BECAME_OPTIONAL),
        ],
    )
    def test_of_a_query(self, old, new, kind):
        assert between(old, new) == [(kind, "query/limit", None, None)]

    @pytest.mark.parametrize(
        ("old", "new", "kind"),
        [
            ({}, body({}), Kind.INPUT_ADDED),
            ({}, body({}, required=True), Kind.REQUIRED_INPUT_ADDED),
            (body({}), {}, Kind.INPUT_REMOVED),
            (body({}), body({}, required=True), Kind.INPUT_BECAME_REQUIRED),
        ],
    )
    def test_of_a_body(self, old, new, kind):
        assert between(old, new) == [(kind, "body", None, None)]

    def test_are_properties_too(self):
        old = {"properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"]}
        new = {"properties": {"b": {}, "c": {}, "d": {}, "e": {}}, "required": ["c", "e"]}
        assert between(body(old), body(new)) == [
            (Kind.INPUT_REMOVED, "body/a", None, None),
            (Kind.INPUT_BECAME_OPTIONAL, "body/b", None, None),
            (Kind.INPUT_BECAME_REQUIRED, "body/c", None, None),
            (Kind.INPUT_ADDED, "body/d", None, None),
            (Kind.REQUIRED_INPUT_ADDED, "body/e", None, None),
        ]

    def test_are_only_what_may_be_sent(self):
        read_only = {"properties": {"id": {"readOnly": True}}, "required": ["id"]}
        assert between(body({}), body(read_only)) == []
        writable = {"properties": {"id": {}}}
        assert between(body(read_only), body(writable)) == [(Kind.INPUT_ADDED, "body/id", None, None)]

    def test_are_compared_through_references_compositions_and_lists(self):
        def schemas(type_: str) -> dict[str, object]:
            inner = {"properties": {"size": {"type": type_}}}
            return {
                "Inner": inner,
                "Outer": {
                    "allOf": [{"properties": {"list": {"items": {"$ref": "#/components/schemas/Inner"}}}}]
                },
            }

        operation = {"/a": {"post": body({"$ref": "#/components/schemas/Outer"})}}
        old, new = (openapi(operation, components={"schemas": schemas(one)}) for one in ("integer", "string"))
        assert told(old, new) == [(Kind.TYPE_CHANGED, "body/list/*/size", ["integer"], ["string"])]

    def test_that_contain_themselves_come_to_an_end(self):
        def schema(type_: str) -> dict[str, object]:
            own = {f"p{n}": {"$ref": "#/components/schemas/S"} for n in range(40)}
            return {"S": {"type": type_, "properties": own}}

        operation = {"/a": {"post": body({"$ref": "#/components/schemas/S"})}}
        old, new = (openapi(operation, components={"schemas": schema(one)}) for one in ("object", "array"))
        assert told(old, new) == [(Kind.TYPE_CHANGED, "body", ["object"], ["array"])]

    def test_of_2_0_are_compared_as_well(self):
        def described(type_: str, values: object) -> Document:
            sent = {"name": "b", "in": "body", "schema": {"properties": {"p": {"type": type_}}}}
            listed = {"name": "q", "in": "query", "type": "string", "enum": values}
            return swagger({"/a": {"post": {"parameters": [sent, listed]}}})

        assert told(described("string", ["a", "b"]), described("integer", ["a"])) == [
            (Kind.TYPE_CHANGED, "body/p", ["string"], ["integer"]),
            (Kind.VALUES_REMOVED, "query/q", ["b"], ["a"]),
        ]


class TestSchemas:
    def changed(self, old: object, new: object) -> Found:
        return [(kind, *sides) for kind, _, *sides in between(query(schema=old), query(schema=new))]

    @pytest.mark.parametrize(
        ("old", "new", "found"),
        [
            ({"type": "string"}, {"type": "integer"}, (Kind.TYPE_CHANGED, ["string"], ["integer"])),
            ({"type": "number"}, {"type": "integer"}, (Kind.TYPE_CHANGED, ["number"], ["integer"])),
            ({}, {"type": "integer"}, (Kind.TYPE_CHANGED, None, ["integer"])),
            ({"type": "integer"}, {"type": "number"}, (Kind.TYPE_WIDENED, ["integer"], ["number"])),
            ({"type": "integer"}, {}, (Kind.TYPE_WIDENED, ["integer"], None)),
            (
                {"type": "string"},
                {"type": "string", "nullable": True},
                (Kind.TYPE_WIDENED, ["string"], ["null", "string"]),
            ),
            (
                {"type": ["string", "null"]},
                {"type": "string"},
                (Kind.TYPE_CHANGED, ["null", "string"], ["string"]),
            ),
            ({"enum": [1, 2]}, {"enum": [2, 3]}, (Kind.VALUES_REMOVED, [1], [2, 3])),
            ({}, {"enum": [1]}, (Kind.VALUES_REMOVED, None, [1])),
            ({"enum": [1]}, {"enum": [1, 2]}, (Kind.VALUES_ADDED, [1], [2])),
            ({"enum": [1]}, {}, (Kind.VALUES_ADDED, [1], None)),
        ],
    )
    def test_accept_something_else(self, old, new, found):
        assert self.changed(old, new) == [found]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"enum": [1, 2]}, {"enum": [2, 1]}),
            ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
            ({"description": "a", "maximum": 3}, {"description": "b"}),
        ],
    )
    def test_accept_the_same(self, old, new):
        assert self.changed(old, new) == []


class TestMediaTypes:
    def test_come_and_go(self):
        old, new = ({"requestBody": {"content": {name: {}}}} for name in ("text/plain", "text/html"))
        assert between(old, new) == [
            (Kind.MEDIA_TYPE_ADDED, "body", None, "text/html"),
            (Kind.MEDIA_TYPE_REMOVED, "body", "text/plain", None),
        ]


class TestBounds:
    def test_end_what_takes_too_long(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_CPU_SECONDS", -1)
        with pytest.raises(DocumentTooComplex, match="multiplies"):
            between(query(schema={"type": "string"}), query(schema={"type": "integer"}))

    def test_end_a_list_that_nobody_reads(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_DIFFERENCES", 3)
        assert len(told(openapi({f"/{n}": {"get": {}} for n in range(9)}), openapi())) == 3

    @given(data=st.data())
    def test_hold_for_whatever_stands_where(self, data):
        changed = replaced(RICH, data.draw(st.sampled_from(places(RICH))), data.draw(ODD))
        old, new = (orjson.dumps(one) for one in (RICH, changed))
        try:
            other = read(new)
        except (NotOpenApi, DocumentUnreadable):
            return
        assert all(isinstance(one, Difference) for one in differences(read(old), other))
        assert all(isinstance(one, Difference) for one in differences(other, read(old)))


@pytest.mark.skipif(SPECS is None, reason="JACKFIELD_SPECS names no folder with real API descriptions")
class TestRealDescriptions:
    @pytest.mark.parametrize(
        "name",
        ["github-api.json", "stripe-spec3-2022-04.json", "kubernetes-1.12-swagger2.json", "openai.yaml"],
    )
    def test_do_not_differ_from_themselves(self, name):
        raw = (Path(SPECS or "") / name).read_bytes()
        assert differences(read(raw), read(raw)) == []
