import os
from pathlib import Path

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openapi_sync import tool_schemas as module
from app.openapi_sync.argument_check import ArgumentCheck
from app.openapi_sync.document import Document, read
from app.openapi_sync.operation import Operation
from app.openapi_sync.operations import operations
from app.openapi_sync.pieces import take_description
from app.openapi_sync.schema_translation import FILE, MAX_DEFINITIONS
from app.openapi_sync.tool_schemas import DIALECT, ToolSchemas
from tests.openapi_sync.documents import only, openapi, swagger
from tests.openapi_sync.test_operations import ODD, RICH, RICH_2_0, places, replaced

SPECS = os.environ.get("JACKFIELD_SPECS")


def taken(document: Document) -> dict:
    """What the document's one operation takes, without the dialect."""
    schema = ToolSchemas(document).input(only(document))
    jsonschema_rs.meta.validate(schema)
    assert schema.pop("$schema") == DIALECT
    return schema


def given_by(document: Document) -> object:
    return ToolSchemas(document).output(only(document))


def described(operation: object, **components: object) -> Document:
    return openapi({"/pets/{id}": {"post": operation}}, components=components)


def of(schema: object, **components: object) -> object:
    """A schema, as the only property of a body."""
    body = {"content": {"application/json": {"schema": {"properties": {"p": schema}}}}}
    document = openapi({"/a": {"post": {"requestBody": body}}}, components=components)
    return taken(document)["properties"]["p"]


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}, "description": "Whose."}


class TestArguments:
    def test_are_flat_where_names_tell_where_they_go(self):
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {}},
            "required": ["name"],
        }
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        query = {"name": "dry", "in": "query", "schema": {"type": "boolean"}}
        assert taken(described({"parameters": [ID, query], "requestBody": body})) == {
            "type": "object",
            "properties": {
                "id": {"description": "Whose.", "type": "integer"},
                "dry": {"type": "boolean"},
                "name": {"type": "string"},
                "age": {},
            },
            "required": ["id", "name"],
        }

    def test_need_nothing_of_a_body_that_may_be_left_out(self):
        schema = {"properties": {"name": {}}, "required": ["name"]}
        body = {"content": {"application/json": {"schema": schema}}}
        assert taken(described({"parameters": [ID], "requestBody": body}))["required"] == ["id"]

    @pytest.mark.parametrize(
        "schema",
        [{"properties": {"id": {}}}, {"type": "array", "items": {}}, {"oneOf": [{"properties": {"a": {}}}]}],
        ids=["the name of a parameter", "a list", "a choice"],
    )
    def test_are_sorted_by_place_where_they_do_not(self, schema):
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        found = taken(described({"parameters": [ID], "requestBody": body}))
        assert found["required"] == ["path", "body"]
        assert found["properties"]["path"]["required"] == ["id"]
        assert found["properties"]["body"] == schema
        assert found["additionalProperties"] is False

    def test_are_gathered_from_what_a_body_is_composed_of(self):
        schema = {
            "allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"b": {}}, "required": ["b"]}]
        }
        base = {"properties": {"a": {}}, "required": ["a", "nothing"], "additionalProperties": False}
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        found = taken(described({"parameters": [ID], "requestBody": body}, schemas={"Base": base}))
        assert (list(found["properties"]), found["required"]) == (["id", "a", "b"], ["id", "a", "b"])

    def test_of_2_0_are_parameters_forms_and_bodies(self):
        listed = [
            {
                "name": "q",
                "in": "query",
                "type": "array",
                "items": {"type": "string"},
                "collectionFormat": "csv",
            },
            {"name": "file", "in": "formData", "type": "file", "required": True},
        ]
        assert taken(swagger({"/a": {"post": {"parameters": listed}}})) == {
            "type": "object",
            "properties": {"q": {"type": "array", "items": {"type": "string"}}, "file": FILE},
            "required": ["file"],
        }
        body = {"name": "b", "in": "body", "required": True, "schema": {"properties": {"x": {}}}}
        assert taken(swagger({"/a": {"post": {"parameters": [body]}}}))["properties"] == {"x": {}}

    def test_leave_out_what_a_call_sets_itself(self):
        listed = [
            {"name": name, "in": "header", "required": True} for name in ("Idempotency-Key", "Host", "X-A")
        ]
        found = taken(described({"parameters": [ID, *listed]}))
        assert (list(found["properties"]), found["required"]) == (["id", "X-A"], ["id", "X-A"])

    @pytest.mark.parametrize("schema", [{"properties": {"a": {}}, "required": ["a"]}, {"type": "string"}])
    def test_need_not_be_given_where_there_is_a_default(self, schema):
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        document = described({"parameters": [ID], "requestBody": body})
        made = ToolSchemas(document).input(only(document), {"id": 7, "a": 1, "body": "x"})
        assert made["required"] == []


class TestTranslation:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
            (
                {"type": "string", "nullable": True, "enum": ["a"]},
                {"type": ["string", "null"], "enum": ["a", None]},
            ),
            ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
            ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
            ({"exclusiveMaximum": 3}, {"exclusiveMaximum": 3}),
            ({"example": 7}, {"examples": [7]}),
            ({"type": "string", "format": "binary"}, FILE),
            (
                {"xml": {}, "x-a": 1, "$id": "a", "$recursiveAnchor": True, "deprecated": True},
                {"deprecated": True},
            ),
            ({"required": ["a", 7, "a"]}, {"required": ["a"]}),
            ({"items": {"nullable": True, "type": "integer"}}, {"items": {"type": ["integer", "null"]}}),
            (True, True),
            ("x", {}),
        ],
    )
    def test_says_the_same_in_the_dialect_of_today(self, old, new):
        assert of(old) == new

    def test_leaves_out_what_cannot_be_sent_or_is_not_answered(self):
        schema = {
            "properties": {"id": {"readOnly": True}, "password": {"writeOnly": True}, "name": {}},
            "required": ["id", "password"],
        }
        sent = of(schema)
        assert (list(sent["properties"]), sent["required"]) == (["password", "name"], ["password"])
        answer = {"content": {"application/json": {"schema": schema}}}
        shown = given_by(openapi({"/a": {"get": {"responses": {"200": answer}}}}))
        assert (list(shown["properties"]), shown["required"]) == (["id", "name"], ["id"])


class TestDefinitions:
    def test_hold_what_is_referred_to_once(self):
        node = {"properties": {"next": {"$ref": "#/components/schemas/Node"}}, "description": "A node."}
        body = {
            "content": {
                "application/json": {
                    "schema": {
                        "properties": {"a": {"$ref": "#/components/schemas/Node", "description": "First."}}
                    }
                }
            }
        }
        found = taken(described({"requestBody": body, "parameters": [ID]}, schemas={"Node": node}))
        assert found["properties"]["a"] == {"$ref": "#/$defs/Node", "description": "First."}
        assert found["$defs"] == {
            "Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}, "description": "A node."}
        }

    def test_have_names_of_their_own(self):
        both = {
            "properties": {"a": {"$ref": "#/components/schemas/X"}, "b": {"$ref": "#/components/x-more/X"}}
        }
        body = {"content": {"application/json": {"schema": both}}}
        more = {"schemas": {"X": {"type": "string"}}, "x-more": {"X": {"type": "integer"}}}
        found = taken(described({"requestBody": body, "parameters": [ID]}, **more))
        assert found["$defs"] == {"X": {"type": "string"}, "X1": {"type": "integer"}}

    def test_accept_anything_where_a_reference_leads_nowhere(self):
        body = {"content": {"application/json": {"schema": {"properties": {"a": {"$ref": "#/nowhere"}}}}}}
        assert taken(described({"requestBody": body, "parameters": [ID]}))["$defs"] == {"nowhere": {}}

    def test_are_bounded(self, monkeypatch):
        chain = {
            f"S{n}": {"properties": {"p": {"$ref": f"#/components/schemas/S{n + 1}"}}} for n in range(1000)
        }
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
        found = taken(described({"requestBody": body, "parameters": [ID]}, schemas=chain))
        assert len(found["$defs"]) == MAX_DEFINITIONS
        monkeypatch.setattr(module, "LARGEST", 1000)
        assert taken(described({"requestBody": body, "parameters": [ID]}, schemas=chain)) == {
            "type": "object",
            "properties": {"id": {}, "p": {}},
            "required": ["id"],
        }

    def test_are_cut_where_json_cannot_hold_them(self):
        deep = openapi({"/a": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"x": 1}}]}}})
        nested = "[" * 300 + "]" * 300
        for odd in (
            f'"default": {nested}',
            '"minimum": 1e999',
            f'"maximum": {"9" * 400}',
            '"enum": [18446744073709551616]',
        ):
            document = read(deep.text.replace(b'"x":1', odd.encode()))
            orjson.dumps(ToolSchemas(document).input(only(document)))

    def test_are_cut_even_where_properties_are_none(self, monkeypatch):
        monkeypatch.setattr(module, "LARGEST", 10)
        answer = {"content": {"application/json": {"schema": {"type": "object", "properties": [{}]}}}}
        found = given_by(openapi({"/a": {"get": {"responses": {"200": answer}}}}))
        assert found == {"$schema": DIALECT, "type": "object", "properties": {}}


class TestAnswers:
    @pytest.mark.parametrize(
        ("responses", "type_"),
        [
            ({"404": {}, "201": {"content": {"application/json": {"schema": {"type": "string"}}}}}, "string"),
            ({"default": {"content": {"application/hal+json": {"schema": {"type": "array"}}}}}, "array"),
            ({"200": {"$ref": "#/components/responses/R"}}, "integer"),
        ],
    )
    def test_are_those_of_a_call_that_succeeds(self, responses, type_):
        shared = {"R": {"content": {"application/json": {"schema": {"type": "integer"}}}}}
        document = openapi({"/a": {"get": {"responses": responses}}}, components={"responses": shared})
        assert given_by(document) == {"$schema": DIALECT, "type": type_}

    @pytest.mark.parametrize(
        "responses", [None, {}, {"204": {}}, {"200": {"content": {"text/plain": {}}}}, []]
    )
    def test_are_unknown_where_the_document_does_not_say(self, responses):
        assert given_by(openapi({"/a": {"get": {"responses": responses}}})) is None

    def test_of_2_0_stand_in_the_response_itself(self):
        responses = {"200": {"schema": {"type": "boolean"}}}
        assert given_by(swagger({"/a": {"get": {"responses": responses}}})) == {
            "$schema": DIALECT,
            "type": "boolean",
        }


class TestWrongTypes:
    @pytest.mark.parametrize(("version", "document"), [("3.1.0", RICH), ("2.0", RICH_2_0)])
    @given(data=st.data())
    def test_never_raise(self, version, document, data):
        for _ in range(data.draw(st.integers(1, 3))):
            document = replaced(document, data.draw(st.sampled_from(places(document))), data.draw(ODD))
        text = orjson.dumps(document)
        description = take_description(text)
        assert description is not None
        made = Document(text, description, version, "")
        schemas = ToolSchemas(made)
        for one in operations(made):
            if isinstance(one, Operation):
                assert schemas.input(one)["type"] == "object"
                schemas.output(one)
                check = ArgumentCheck(schemas.arguments(one))
                check({"query": {"limit": "1"}, "path": {"id": [1]}}, {"name": [{}, None], "kind": 1.5})


@pytest.mark.skipif(SPECS is None, reason="JACKFIELD_SPECS names no folder with real API descriptions")
class TestRealDescriptions:
    @pytest.mark.parametrize(
        "name",
        [
            "github-api.json",
            "discord-3.1.json",
            "kubernetes-1.12-swagger2.json",
            "openai.yaml",
            "netlify-swagger2.yaml",
        ],
    )
    def test_give_schemas_that_are_valid(self, name):
        document = read((Path(SPECS or "") / name).read_bytes())
        schemas = ToolSchemas(document)
        for one in list(operations(document)):
            if isinstance(one, Operation):
                jsonschema_rs.meta.validate(schemas.input(one))
                assert ArgumentCheck(schemas.arguments(one))({}, None) == []
                if (answer := schemas.output(one)) is not None:
                    jsonschema_rs.meta.validate(answer)
