import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.executions.rules import Finding
from app.openapi_sync import argument_check as module
from app.openapi_sync.argument_check import ArgumentCheck
from app.openapi_sync.check_cost import MAX_STEPS, CheckCost
from app.openapi_sync.document import Document
from app.openapi_sync.tool_schemas import ToolSchemas
from tests.openapi_sync.documents import only, openapi, swagger

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
CANARY = "canary-e5b1"


def check_of(document: Document) -> ArgumentCheck:
    return ArgumentCheck(ToolSchemas(document).arguments(only(document)))


def of_body(schema: object, media_type: str = JSON, **schemas: object) -> ArgumentCheck:
    body = {"content": {media_type: {"schema": schema}}}
    return check_of(openapi({"/a": {"post": {"requestBody": body}}}, components={"schemas": schemas}))


def of_query(schema: object, **more: object) -> ArgumentCheck:
    parameter = {"name": "q", "in": "query", "schema": schema, **more}
    return check_of(openapi({"/a": {"get": {"parameters": [parameter]}}}))


def wrong(check: ArgumentCheck, body: object) -> list[str]:
    return [f"{'/'.join(map(str, one.path))}: {one.message}" for one in check({}, body)]


def passes(check: ArgumentCheck, value: object) -> bool:
    return check({"query": {"q": value}}, None) == []


class TestFindings:
    def test_say_where_and_what_is_wrong(self):
        check = of_body(
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 2},
                    "kind": {"enum": ["cat", "dog"]},
                    "toys": {"type": "array", "items": {"type": "object", "required": ["id"]}},
                },
                "required": ["name"],
                "additionalProperties": False,
            }
        )
        assert sorted(wrong(check, {"kind": "cow", "toys": [{"id": 1}, {}], "age": 3})) == [
            "body/age: Nothing of this name is taken.",
            'body/kind: The value is not one of "cat" or "dog".',
            "body/name: The value is required.",
            "body/toys/1/id: The value is required.",
        ]
        assert wrong(check, {"name": "Rex", "kind": "dog", "toys": []}) == []

    def test_name_the_parameter_by_its_location(self):
        assert of_query({"type": "integer"})({"query": {"q": "many"}}, None) == [
            Finding(("query", "q"), 'The value is not of type "integer".')
        ]

    def test_never_tell_a_value(self):
        check = of_body(
            {
                "properties": {
                    "a": {"type": "integer"},
                    "b": {"enum": [1]},
                    "c": {"const": 1},
                    "d": {"pattern": "^x$"},
                    "e": {"not": {"type": "string"}},
                    "f": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
                    "g": {"type": "array", "uniqueItems": True},
                    "h": {"maxLength": 1},
                    "i": {"multipleOf": 7},
                }
            }
        )
        body = {**dict.fromkeys("abcdefh", CANARY), "g": [CANARY, CANARY], "i": 66051}
        found = wrong(check, body)
        assert len(found) == len(body)
        assert not any(CANARY in one or "66051" in one for one in found)

    def test_are_those_of_the_alternative_that_was_meant(self):
        point = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
        check = of_body({"properties": {"at": {"anyOf": [{"type": "string"}, point]}}})
        assert wrong(check, {"at": {"x": "left"}}) == ['body/at/x: The value is not of type "integer".']
        assert wrong(check, {"at": 3}) == [
            "body/at: The value is not valid under any of the schemas listed in the 'anyOf' keyword."
        ]

    def test_are_not_endless(self):
        check = of_body({"items": {"type": "integer"}})
        assert len(check({}, ["x"] * 100)) == module.MOST_FINDINGS
        enum = of_body({"enum": ["long" * 100]})
        assert len(wrong(enum, 1)[0]) < module.LONGEST_MESSAGE + 10


class TestText:
    """What an address, a header or a form holds is text, whatever the caller had."""

    @pytest.mark.parametrize(
        ("schema", "good", "bad"),
        [
            ({"type": "integer", "maximum": 9}, [7, "7", "-7"], ["x", "", "7.5", 10, "10", "0x7", True]),
            ({"type": "number"}, [7.5, "7.5", "7", 7], ["7.", "NaN", "1e999", False]),
            ({"type": "boolean"}, [True, "true", "false"], ["yes", 1, "True"]),
            ({"type": "string", "pattern": "^[0-9]+$"}, ["12", 12], ["x", True]),
            ({"type": "array", "items": {"type": "integer"}}, [[1, "2"], 3, "4"], [["x"], "x"]),
            ({"type": "object", "properties": {"n": {"type": "integer"}}}, [{"n": "1"}], [{"n": "x"}, "x"]),
            ({"type": "object", "additionalProperties": {"type": "string"}}, [{"a": 1}], [{"a": []}]),
            ({"anyOf": [{"type": "integer"}, {"enum": [""]}]}, ["5", 5, ""], ["x"]),
            ({"enum": ["a", "b"]}, ["a"], ["c"]),
            ({"type": ["integer", "null"]}, ["1", None], ["null"]),
            ({}, ["x", 1, [], {}], []),
        ],
    )
    def test_is_read_as_the_schema_wants_it(self, schema, good, bad):
        check = of_query(schema)
        assert [value for value in good if not passes(check, value)] == []
        assert [value for value in bad if passes(check, value)] == []

    @pytest.mark.parametrize("media_type", [FORM, MULTIPART])
    def test_is_what_a_form_holds_too(self, media_type):
        check = of_body({"properties": {"n": {"type": "integer"}}}, media_type)
        assert wrong(check, {"n": "3"}) == []
        assert wrong(check, {"n": "x"}) == ['body/n: The value is not of type "integer".']

    def test_is_not_what_json_holds(self):
        check = of_body({"properties": {"n": {"type": "integer"}}})
        assert wrong(check, {"n": "3"}) == ['body/n: The value is not of type "integer".']


class TestDocuments:
    """Are wrong about themselves, and must not stop a call for it."""

    @pytest.mark.parametrize(
        "odd",
        [
            {"type": "any"},
            {"type": ["string", "uuid"]},
            {"enum": "a, b"},
            {"minimum": "0"},
            {"pattern": "("},
            {"pattern": "[[:alpha:]]{1,99999999}"},
            {"required": True},
            {"required": ["a", 1]},
            {"properties": []},
            {"$ref": "#/components/schemas/None"},
            {"$ref": "https://example.com/schema.json"},
            {"items": "string"},
            {"additionalProperties": "yes"},
            {"minLength": -1},
            {"multipleOf": 0},
        ],
    )
    def test_with_a_keyword_that_cannot_be_meant_check_by_the_others(self, odd):
        check = of_body({"properties": {"odd": odd, "n": {"type": "integer"}}})
        assert wrong(check, {"odd": "anything", "n": "x"}) == ['body/n: The value is not of type "integer".']

    def test_may_have_alternatives_that_overlap(self):
        check = of_body({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})
        assert wrong(check, {"a": 1, "b": 2}) == []
        assert wrong(check, {}) != []

    def test_may_say_nullable_beside_a_reference(self):
        pet = {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Pet"}]}
        check = of_body({"properties": {"pet": pet}}, Pet={"type": "object"})
        assert wrong(check, {"pet": None}) == []
        assert wrong(check, {"pet": 1}) != []

    def test_may_have_the_dialect_of_old(self):
        old = {"minimum": 0, "exclusiveMinimum": True}
        check = of_body(
            {"properties": {"old": old, "pair": {"items": [{"type": "string"}, {"type": "integer"}]}}}
        )
        assert wrong(check, {"old": 0, "pair": ["a", "b"]}) == [
            "body/old: The value is less than or equal to the minimum of 0.",
            'body/pair/1: The value is not of type "integer".',
        ]

    def test_leave_what_only_answers_have_out(self):
        check = of_body(
            {
                "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
                "required": ["id", "name"],
            }
        )
        assert wrong(check, {"name": "Rex"}) == []

    def test_of_2_0_are_checked_alike(self):
        document = swagger(
            {
                "/a": {
                    "post": {
                        "consumes": [FORM],
                        "parameters": [
                            {"name": "n", "in": "formData", "type": "integer"},
                            {"name": "q", "in": "query", "type": "array", "items": {"type": "integer"}},
                        ],
                    }
                }
            }
        )
        findings = check_of(document)({"query": {"q": ["x"]}}, {"n": "y"})
        assert [one.path for one in findings] == [("query", "q", 0), ("body", "n")]

    def test_leave_files_to_whoever_sends_them(self):
        schema = {"properties": {"file": {"type": "string", "format": "binary"}}}
        assert wrong(of_body(schema, MULTIPART), {"file": {"base64": "aGk="}}) == []

    def test_are_not_asked_for_bodies_of_other_media_types(self):
        assert wrong(of_body({"type": "string"}, "text/plain"), {"anything": 1}) == []


class TestCost:
    def test_is_bounded_where_alternatives_multiply(self):
        bomb = {f"S{n}": {"anyOf": [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(150)} | {
            "S150": {"type": "integer"}
        }
        assert wrong(of_body({"$ref": "#/components/schemas/S0"}, **bomb), "x") == []

    def test_is_bounded_where_levels_multiply(self):
        tree = {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/T"}}] * 2}
        value: object = "x"
        for _ in range(60):
            value = [value]
        assert wrong(of_body({"$ref": "#/components/schemas/T"}, T=tree), value) == []

    def test_is_bounded_for_schemas_of_any_depth(self):
        chain = {}
        for n in range(190):
            chain[f"S{n}"] = {"not": {"$ref": f"#/components/schemas/S{n + 1}"}}
            for _ in range(30):
                chain[f"S{n}"] = {"allOf": [chain[f"S{n}"]]}
        assert wrong(of_body({"$ref": "#/components/schemas/S0"}, **chain), "x") == []

    def test_leaves_a_summary_of_what_would_take_long_to_tell(self):
        anything = {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}}
        value = ["x"] * (MAX_STEPS // 10)
        assert wrong(of_body(anything), value) == ["body: The value is not what the operation takes."]

    def test_allows_what_leads_to_itself(self):
        check = of_body(
            {"$ref": "#/components/schemas/Tree"},
            Tree={
                "type": "object",
                "properties": {"children": {"items": {"$ref": "#/components/schemas/Tree"}}},
                "additionalProperties": False,
            },
        )
        assert wrong(check, {"children": [{"children": [{}]}, {}]}) == []
        assert wrong(check, {"children": [{"children": [{"x": 1}]}]}) == [
            "body/children/0/children/0/x: Nothing of this name is taken."
        ]

    @given(st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
    def test_of_little_is_little(self, value):
        assert CheckCost({"type": "object"}, {}).steps(value) <= MAX_STEPS
