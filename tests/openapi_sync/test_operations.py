import copy
import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.handlers.targets import TARGET
from app.openapi_sync import operations as module
from app.openapi_sync import parameters
from app.openapi_sync.document import Document, read
from app.openapi_sync.errors import DocumentTooComplex
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.operation import Operation, OperationKind, Parameter, SecurityScheme
from app.openapi_sync.operations import operations
from app.openapi_sync.pieces import take_description
from tests.openapi_sync.documents import only, only_skipped, openapi, swagger

SPECS = os.environ.get("JACKFIELD_SPECS")


def with_parameters(*parameters: object, path: str = "/pets", **components: object) -> Operation:
    return only(openapi({path: {"get": {"parameters": list(parameters)}}}, components=components))


def with_body(body: object, **components: object) -> Operation:
    return only(openapi({"/pets": {"post": {"requestBody": body}}}, components=components))


def json_body(schema: object) -> dict[str, object]:
    return {"content": {"application/json": {"schema": schema}}}


class TestOperation:
    def test_carries_what_a_call_needs(self):
        found = only(
            openapi(
                {
                    "/pets/{petId}": {
                        "patch": {
                            "operationId": "updatePet",
                            "summary": " Update\n a pet ",
                            "tags": ["pets", 7],
                            "x-handler-name": "pet",
                            "parameters": [{"name": "petId", "in": "path", "schema": {"type": "integer"}}],
                            "requestBody": json_body({"properties": {"name": {}}}) | {"required": True},
                        }
                    }
                },
                servers=[{"url": "https://api.example.com/v1"}],
            )
        )
        assert (found.summary, found.tags, found.handler_name) == ("Update a pet", ("pets",), "pet")
        assert (found.place, found.is_degraded) == (("paths", "/pets/{petId}", "patch"), False)
        assert found.argument_names == {"petId", "name"}
        assert found.target() == {
            "kind": "operation",
            "method": "PATCH",
            "path": "/pets/{petId}",
            "parameters": [
                {"name": "petId", "in": "path", "required": True, "style": "simple", "explode": False}
            ],
            "body": {"contentTypes": ["application/json"], "required": True},
            "security": [],
            "server": "https://api.example.com/v1",
            "operationId": "updatePet",
            "summary": "Update a pet",
        }

    def test_has_the_same_target_in_whatever_order_its_parameters_stand(self):
        one, other = {"name": "b", "in": "query"}, {"name": "a", "in": "query"}
        assert with_parameters(one, other).target() == with_parameters(other, one).target()

    def test_is_made_of_a_webhook_as_one_that_stores(self):
        found = only(read(b'{"openapi": "3.1.0", "webhooks": {"newPet": {"post": {"operationId": "n"}}}}'))
        assert (found.kind, found.path) == (OperationKind.STORE, "webhooks/newPet")
        assert found.target() == {"kind": "store"}

    def test_may_be_a_query(self):
        found = only(read(b'{"openapi": "3.2.0", "paths": {"/a": {"query": {"operationId": "q"}}}}'))
        assert (found.method, found.target()["method"]) == ("QUERY", "QUERY")

    def test_ignores_an_operation_id_that_is_no_text(self):
        found = only(openapi({"/a": {"get": {"operationId": 7}}}))
        assert found.operation_id is None
        assert [oddity.pointer for oddity in found.warnings] == ["/paths/~1a/get"]

    def test_refuses_too_many(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_OPERATIONS", 3)
        shared = {"get": {}, "put": {}}
        document = openapi({"/a": {"$ref": "#/x-i"}, "/b": {"$ref": "#/x-i"}}, **{"x-i": shared})
        with pytest.raises(DocumentTooComplex, match="more than 3 operations"):
            list(operations(document))


class TestSkipped:
    @pytest.mark.parametrize(
        "path", ["/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/healthz", "/health/live"]
    )
    def test_leaves_out_what_a_service_says_about_itself(self, path):
        skipped = only_skipped(openapi({path: {"get": {}}}))
        assert (skipped.method, skipped.path, skipped.is_deliberate) == ("GET", path, True)

    @pytest.mark.parametrize("path", ["/openapi.json/x", "/documents", "/v1/docs", "/heal"])
    def test_keeps_what_only_looks_alike(self, path):
        assert only(openapi({path: {"get": {}}})).path == path

    @pytest.mark.parametrize("item", [{"get": {"x-handler": False}}, {"get": {}, "x-handler": False}])
    def test_leaves_out_what_asks_for_it(self, item):
        assert only_skipped(openapi({"/a": item})).is_deliberate

    @pytest.mark.parametrize(
        ("item", "method"), [([], "*"), ("x", "*"), (None, "*"), ({"get": 1}, "GET"), ({"get": []}, "GET")]
    )
    def test_passes_over_what_is_no_object(self, item, method):
        skipped = only_skipped(openapi({"/a": item}))
        assert (skipped.method, skipped.is_deliberate) == (method, False)

    @pytest.mark.parametrize("path", ["/a?b=c", "/a#b", "/a b", "/a\nb", "/a\\b", "/" + "a" * 2048])
    def test_passes_over_paths_that_cannot_be_sent(self, path):
        assert "path" in only_skipped(openapi({path: {"get": {}}})).reason

    def test_passes_over_a_path_that_is_described_twice(self):
        first, second = operations(openapi({"pets": {"get": {}}, "/pets": {"post": {}}}))
        assert isinstance(first, Operation)
        assert second.reason == "the path is described twice"

    @pytest.mark.parametrize("item", [{"trace": {}}, {"additionalOperations": {"TRACE": {}}}])
    def test_passes_over_methods_that_are_not_sent(self, item):
        assert only_skipped(openapi({"/a": item})).method == "TRACE"

    def test_ignores_extensions(self):
        assert list(operations(openapi({"x-a": {"get": {}}, "/a": {"x-get": {}, "summary": ""}}))) == []


class TestReferences:
    def test_follows_pointers_with_escapes_and_through_lists(self):
        shared = {"name": "q", "in": "query"}
        found = with_parameters(
            {"$ref": "#/components/parameters/a~1b%20c"},
            {"$ref": "#/components/x-list/0"},
            parameters={"a/b c": shared},
            **{"x-list": [{"name": "r", "in": "query"}]},
        )
        assert [parameter.name for parameter in found.parameters] == ["q", "r"]

    def test_follows_a_path_item(self):
        item = {"get": {"operationId": "a"}, "parameters": [{"name": "q", "in": "query"}]}
        found = only(openapi({"/a": {"$ref": "#/x-items/a"}}, **{"x-items": {"a": item}}))
        assert (found.operation_id, found.argument_names) == ("a", {"q"})

    @pytest.mark.parametrize(
        "reference",
        [
            "#/nowhere",
            "#/paths/~1a/get/parameters/9",
            "other.yaml#/x",
            "https://example.com/x.json",
            "#/x-loop",
        ],
    )
    def test_degrades_an_operation_whose_parameter_dangles(self, reference):
        found = only(
            openapi(
                {"/a": {"get": {"parameters": [{"$ref": reference}, {"name": "q", "in": "query"}]}}},
                **{"x-loop": {"$ref": "#/x-loop"}},
            )
        )
        assert found.is_degraded
        assert found.argument_names == {"q"}
        assert [oddity.pointer for oddity in found.warnings] == ["/paths/~1a/get/parameters/0"]

    def test_degrades_only_the_operations_that_refer_to_nothing(self):
        dangling = {"requestBody": {"$ref": "#/nowhere"}}
        good, bad = operations(openapi({"/a": {"get": {}}, "/b": {"post": dangling}}))
        assert (good.is_degraded, bad.is_degraded) == (False, True)

    def test_passes_over_a_path_in_another_file(self):
        skipped = only_skipped(openapi({"/a": {"$ref": "paths/a.yaml"}}))
        assert "leads out of the document" in skipped.reason

    def test_does_not_enter_a_schema_that_contains_itself(self):
        node = {"properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"default": 1}}}
        node["allOf"] = [{"$ref": "#/components/schemas/Node"}]
        found = with_body(json_body({"$ref": "#/components/schemas/Node"}), schemas={"Node": node})
        assert found.body.properties == {"next", "n"}

    def test_quotes_little_of_a_long_reference(self):
        found = with_parameters({"$ref": "#/" + "x" * 5000})
        assert len(found.warnings[0].message) < 150


class TestParameters:
    def test_lets_the_operation_override_the_path(self):
        shared = [{"name": "a", "in": "query"}, {"name": "b", "in": "query"}]
        own = [{"name": "a", "in": "query", "required": True}, {"name": "a", "in": "header"}]
        found = only(openapi({"/a": {"parameters": shared, "get": {"parameters": own}}}))
        assert {(one.name, one.location, one.required) for one in found.parameters} == {
            ("a", "query", True),
            ("b", "query", False),
            ("a", "header", False),
        }

    @pytest.mark.parametrize(
        ("location", "style", "explode"),
        [
            ("path", "simple", False),
            ("query", "form", True),
            ("header", "simple", False),
            ("cookie", "form", True),
        ],
    )
    def test_fills_in_style_and_explode(self, location, style, explode):
        [found] = with_parameters({"name": "a", "in": location}, path="/x").parameters
        assert (found.style, found.explode) == (style, explode)

    @pytest.mark.parametrize("style", ["spaceDelimited", "pipeDelimited", "deepObject"])
    def test_does_not_explode_other_styles_unasked(self, style):
        [found] = with_parameters({"name": "a", "in": "query", "style": style}).parameters
        assert (found.style, found.explode) == (style, False)

    def test_replaces_a_style_that_does_not_fit(self):
        found = with_parameters({"name": "a", "in": "header", "style": "deepObject"})
        assert found.parameters[0].style == "simple"
        assert len(found.warnings) == 1

    def test_ignores_headers_that_the_specification_ignores(self):
        names = ["Accept", "content-type", "Authorization", "X-Other"]
        found = with_parameters(*({"name": name, "in": "header"} for name in names))
        assert [one.name for one in found.parameters] == ["X-Other"]

    def test_declares_path_variables_that_the_document_forgot(self):
        found = with_parameters(path="/a/{id}/b/{id}")
        assert found.parameters == (Parameter("id", "path", required=True, style="simple", explode=False),)
        assert "is not declared" in found.warnings[0].message

    def test_reads_a_default_through_references(self):
        found = with_parameters(
            {"name": "a", "in": "query", "schema": {"$ref": "#/components/schemas/Limit"}},
            {"name": "b", "in": "query", "schema": {"type": ["null", "string"]}},
            schemas={"Limit": {"type": "integer", "default": 50}},
        )
        assert [one.schema_default for one in found.parameters] == [50, None]

    def test_leaves_out_what_has_no_name_or_no_known_place(self):
        found = with_parameters({"in": "query"}, {"name": "a", "in": "mars"}, 7, {"name": "b", "in": []})
        assert found.parameters == ()
        assert len(found.warnings) == 4

    def test_passes_over_an_operation_with_too_many(self):
        many = [{"name": f"p{n}", "in": "query"} for n in range(parameters.MAX_PARAMETERS + 1)]
        assert "parameters" in only_skipped(openapi({"/a": {"get": {"parameters": many}}})).reason


class TestBody:
    def test_keeps_the_media_types_in_order(self):
        content = {"multipart/form-data": {}, "application/json": {}, "text/plain": {}}
        assert with_body({"content": content}).body.content_types == tuple(content)

    def test_gathers_properties_through_references_and_all_of(self):
        schema = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"b": {"default": 2}}}]}
        found = with_body(json_body(schema), schemas={"Base": {"properties": {"a": {"default": 1}}}})
        assert found.body.properties == {"a", "b"}
        assert found.default_args == {"a": 1, "b": 2}

    @pytest.mark.parametrize("body", [{}, {"content": {}}, {"content": []}, [], "x", {"content": {"": {}}}])
    def test_leaves_out_what_is_none(self, body):
        found = with_body(body)
        assert found.body is None
        assert len(found.warnings) == 1

    def test_reads_no_properties_of_media_that_have_none(self):
        found = with_body({"content": {"text/plain": {"schema": {"properties": {"a": {}}}}}})
        assert found.body.properties == frozenset()


class TestDefaultArgs:
    def test_come_from_parameters_and_body(self):
        found = only(
            openapi(
                {
                    "/pets": {
                        "post": {
                            "parameters": [{"name": "limit", "in": "query", "schema": {"default": 20}}],
                            "requestBody": json_body(
                                {"properties": {"kind": {"default": "dog"}, "name": {}}}
                            ),
                        }
                    }
                }
            )
        )
        assert found.default_args == {"limit": 20, "kind": "dog"}

    def test_leave_out_a_name_that_stands_in_two_places(self):
        found = with_parameters(
            {"name": "id", "in": "query", "schema": {"default": 1}}, {"name": "id", "in": "header"}
        )
        assert found.default_args == {}

    def test_leave_out_null_and_what_is_read_only(self):
        schema = {"properties": {"a": {"default": None}, "b": {"default": 1, "readOnly": True}}}
        assert with_body(json_body(schema)).default_args == {}

    @pytest.mark.parametrize("default", ["{{secrets.KEY}}", {"a": ["x{{ credentials.KEY }}"]}])
    def test_leave_out_what_could_ask_for_a_secret(self, default):
        found = with_parameters({"name": "a", "in": "query", "schema": {"default": default}})
        assert found.default_args == {}
        assert "template" in found.warnings[0].message

    def test_leave_out_what_is_too_large(self):
        found = with_parameters({"name": "a", "in": "query", "schema": {"default": "x" * 100_000}})
        assert found.default_args == {}
        assert len(found.warnings) == 1

    def test_do_not_let_a_body_property_drive_the_execution(self):
        assert with_body(json_body({"properties": {"timeout": {"default": 1}}})).default_args == {}
        parameter = {"name": "timeout", "in": "query", "schema": {"default": 1}}
        assert with_parameters(parameter).default_args == {"timeout": 1}


class TestSwagger2:
    def test_maps_a_body_parameter(self):
        schema = {"properties": {"a": {"default": 1}}}
        body = {"in": "body", "name": "body", "required": True, "schema": schema}
        found = only(swagger({"/a": {"post": {"parameters": [body]}}}, consumes=["application/xml"]))
        assert found.body.lean() == {"contentTypes": ["application/xml"], "required": True}
        assert found.default_args == {"a": 1}
        assert found.parameters == ()

    @pytest.mark.parametrize(
        ("consumes", "type_", "content_type"),
        [
            ([], "string", "application/x-www-form-urlencoded"),
            ([], "file", "multipart/form-data"),
            (["application/json", "multipart/form-data"], "string", "multipart/form-data"),
        ],
    )
    def test_maps_form_data(self, consumes, type_, content_type):
        fields = [
            {"in": "formData", "name": "a", "type": type_, "required": True},
            {"in": "formData", "name": "b", "type": "integer", "default": 2},
        ]
        found = only(swagger({"/a": {"post": {"parameters": fields, "consumes": consumes}}}))
        assert found.body.lean() == {"contentTypes": [content_type], "required": True}
        assert (found.body.properties, found.default_args) == ({"a", "b"}, {"b": 2})

    @pytest.mark.parametrize(
        ("collection", "style", "explode"),
        [
            ("csv", "form", False),
            ("multi", "form", True),
            ("ssv", "spaceDelimited", False),
            ("pipes", "pipeDelimited", False),
        ],
    )
    def test_maps_collection_formats(self, collection, style, explode):
        parameter = {
            "in": "query",
            "name": "a",
            "type": "array",
            "collectionFormat": collection,
            "default": [1],
        }
        found = only(swagger({"/a": {"get": {"parameters": [parameter]}}}))
        assert found.parameters == (Parameter("a", "query", False, style, explode, [1]),)
        assert found.warnings == ()

    def test_says_when_a_collection_format_has_no_equal(self):
        parameter = {"in": "query", "name": "a", "collectionFormat": "tsv"}
        assert "csv" in only(swagger({"/a": {"get": {"parameters": [parameter]}}})).warnings[0].message

    @pytest.mark.parametrize(
        ("where", "servers"),
        [
            ({"host": "a.example", "basePath": "/v1", "schemes": ["http", "https"]}, "https://a.example/v1"),
            ({"host": "a.example", "basePath": "/", "schemes": ["http"]}, "http://a.example"),
            ({"host": "a.example"}, "//a.example"),
            ({"basePath": "/v1"}, "/v1"),
            ({"host": 7, "basePath": [], "schemes": "https"}, None),
        ],
    )
    def test_maps_host_base_path_and_schemes(self, where, servers):
        assert only(swagger({"/a": {"get": {}}}, **where)).target()["server"] == servers


class TestServers:
    def test_are_those_of_the_nearest_level(self):
        item = {"servers": [{"url": "/path"}], "get": {"servers": [{"url": "/own"}]}, "put": {}}
        own, path, document = operations(
            openapi({"/a": item, "/b": {"get": {"servers": []}}}, servers=[{"url": "/doc"}])
        )
        assert [one.servers for one in (own, path, document)] == [("/own",), ("/path",), ("/doc",)]

    def test_fill_in_their_variables(self):
        server = {
            "url": "https://{region}.example.com:{port}/{unknown}",
            "variables": {"region": {"default": "eu"}, "port": {"default": 443}},
        }
        assert only(openapi({"/a": {"get": {}}}, servers=[server])).servers == (
            "https://eu.example.com:443/{unknown}",
        )


class TestSecurity:
    SCHEMES = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "bearer": {"type": "http", "scheme": "Bearer"},
        "oauth": {"type": "oauth2", "flows": {}},
        "mtls": {"type": "mutualTLS"},
    }

    def secured(self, **operation: object) -> Operation:
        return only(
            openapi(
                {"/a": {"get": operation}},
                security=[{"bearer": []}],
                components={"securitySchemes": self.SCHEMES},
            )
        )

    def test_resolves_alternatives_and_what_is_needed_together(self):
        found = self.secured(security=[{"key": [], "oauth": ["read"]}, {}])
        assert found.target()["security"] == [
            [
                {"scheme": "key", "type": "apiKey", "in": "header", "name": "X-Key"},
                {"scheme": "oauth", "type": "oauth2"},
            ],
            [],
        ]

    def test_is_the_documents_unless_the_operation_has_its_own(self):
        assert self.secured().security == ((SecurityScheme("bearer", "http", http_scheme="bearer"),),)
        assert self.secured(security=[]).security == ()

    @pytest.mark.parametrize("unusable", ["mtls", "unknown"])
    def test_drops_an_alternative_that_cannot_be_met(self, unusable):
        found = self.secured(security=[{"key": [], unusable: []}, {"bearer": []}])
        assert [[scheme.key for scheme in one] for one in found.security] == [["bearer"]]
        assert found.is_degraded

    def test_maps_basic_of_2_0(self):
        found = only(
            swagger({"/a": {"get": {"security": [{"b": []}]}}}, securityDefinitions={"b": {"type": "basic"}})
        )
        assert found.security == ((SecurityScheme("b", "http", http_scheme="basic"),),)


RICH = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://{a}.example", "variables": {"a": {"default": "b"}}}],
    "security": [{"key": []}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/id"}],
            "servers": [{"url": "/x"}],
            "post": {
                "operationId": "a",
                "summary": "b",
                "tags": ["c"],
                "x-handler-name": "d",
                "parameters": [{"name": "q", "in": "query", "style": "form", "schema": {"type": "string"}}],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"properties": {"p": {"default": 1}}, "allOf": [{"$ref": "#/paths"}]}
                        }
                    }
                },
                "security": [{"key": []}],
            },
        }
    },
    "webhooks": {"w": {"post": {}}},
    "components": {
        "parameters": {"id": {"name": "id", "in": "path", "schema": {"default": 1}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "k"}},
    },
}
RICH_2_0 = {
    "swagger": "2.0",
    "host": "a.example",
    "basePath": "/b",
    "schemes": ["https"],
    "consumes": ["application/json"],
    "securityDefinitions": {"b": {"type": "basic"}},
    "paths": {
        "/a": {
            "post": {
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"in": "formData", "name": "f", "type": "file", "default": 1},
                    {"in": "query", "name": "q", "collectionFormat": "multi"},
                ],
            },
            "put": {"parameters": [{"in": "body", "name": "b", "schema": {"properties": {}}}]},
        }
    },
}
ODD = st.sampled_from(
    [
        None,
        True,
        0,
        -1.5,
        "",
        "x",
        "\n",
        "#",
        [],
        [None],
        [[]],
        {},
        {"": ""},
        {"$ref": "#/paths"},
        {"$ref": 1},
    ]
) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def places(node: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The paths of all nodes below ``node``."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in items for found in ((*path, key), *places(value, (*path, key)))]


def replaced(document: object, place: tuple[object, ...], value: object) -> object:
    changed = copy.deepcopy(document)
    node = changed
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return changed


class TestWrongTypes:
    @pytest.mark.parametrize(("version", "document"), [("3.1.0", RICH), ("2.0", RICH_2_0)])
    @given(data=st.data())
    def test_never_raise_and_never_spoil_a_target(self, version, document, data):
        for _ in range(data.draw(st.integers(1, 3))):
            document = replaced(document, data.draw(st.sampled_from(places(document))), data.draw(ODD))
        text = orjson.dumps(document)
        described = take_description(text)
        assert described is not None
        for one in operations(Document(text, described, version, "", ())):
            if isinstance(one, Operation):
                TARGET.validate_python(one.target())
                assert all(isinstance(warning, Oddity) for warning in one.warnings)


@pytest.mark.skipif(SPECS is None, reason="JACKFIELD_SPECS names no folder with real API descriptions")
class TestRealDescriptions:
    @pytest.mark.parametrize(
        ("name", "version", "count"),
        [
            ("broken-ppc-cireson-trailing-comma.json", "2.0", 18),
            ("cloudflare-2024-08.json", "3.0.3", 1535),
            ("digitalocean-root-relative-refs.yaml", "3.0.0", 0),
            ("discord-3.1.json", "3.1.0", 242),
            ("github-api.json", "3.0.3", 1223),
            ("kubernetes-1.12-swagger2.json", "2.0", 826),
            ("netlify-swagger2.yaml", "2.0", 174),
            ("oai-tictactoe-3.1.yaml", "3.1.0", 3),
            ("openai.yaml", "3.1.0", 281),
            ("petstore-swagger3.yaml", "3.0.4", 19),
            ("prefect-fastapi-3.1.json", "3.1.0", 178),
            ("readme-parameters-style-3.1.json", "3.1.0", 23),
            ("redocly-cafe-3.2.yaml", "3.2.0", 12),
            ("stripe-spec3-2022-04.json", "3.0.0", 417),
            ("twilio-api-v2010.json", "3.0.1", 197),
        ],
    )
    def test_give_their_operations(self, name, version, count):
        document = read((Path(SPECS or "") / name).read_bytes())
        found = [one for one in operations(document) if isinstance(one, Operation)]
        assert document.version == version
        assert sum(one.kind is OperationKind.CALL for one in found) == count
        assert not any(one.is_degraded for one in found)
        for one in found:
            TARGET.validate_python(orjson.loads(orjson.dumps(one.target())))

    def test_leave_out_openai_paths_with_a_query_prefects_health_and_readmes_fragments(self):
        reasons = {
            name: [
                one.path
                for one in operations(read((Path(SPECS or "") / name).read_bytes()))
                if not isinstance(one, Operation)
            ]
            for name in ("openai.yaml", "prefect-fastapi-3.1.json", "readme-parameters-style-3.1.json")
        }
        assert [len(paths) for paths in reasons.values()] == [7, 1, 2]
        assert all("?beta=true" in path for path in reasons["openai.yaml"])
