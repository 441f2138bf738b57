"""What is added to FastAPI's description. Pure: these documents are made up."""

import copy

import pytest
from fastapi import APIRouter

from app.web.openapi import complete, operation_id

IF_MATCH = {"name": "if-match", "in": "header"}
JSON_BODY = {"content": {"application/json": {"schema": {}}}}
TOKEN = [{"accessToken": []}]


def described(method="get", path="/things", **operation):
    """One operation, completed."""
    given = {"summary": "Do Something", "responses": {"200": {"description": "Done."}}, **operation}
    document = {"paths": {path: {method: given}}, "components": {"schemas": {}}}
    return complete(document)["paths"][path][method]


class TestOperationId:
    def test_is_the_functions_name_in_camel_case(self):
        router = APIRouter()

        @router.get("/things/{id}")
        async def get_one_thing(id: str) -> str:
            return id

        assert operation_id(router.routes[0]) == "getOneThing"


class TestErrors:
    @pytest.mark.parametrize(
        ("operation", "statuses"),
        [
            ({}, set()),
            ({"security": TOKEN}, {"401", "403"}),
            ({"path": "/things/{id}"}, {"404"}),
            ({"parameters": [{"name": "limit", "in": "query"}]}, {"422"}),
            ({"method": "post", "requestBody": JSON_BODY, "security": TOKEN}, {"400", "401", "403", "409"}
             | {"413", "415", "422"}),
            ({"method": "delete", "security": TOKEN, "parameters": [IF_MATCH]}, {"401", "403", "409"}
             | {"412", "422"}),
            ({"method": "post", "requestBody": {"content": {"*/*": {}}}, "security": [{}, *TOKEN]},
             {"401", "403", "413", "422"}),
        ],
    )  # fmt: skip
    def test_follow_from_what_the_operation_takes(self, operation, statuses):
        assert described(**operation)["responses"].keys() == {"200", "default", *statuses}

    def test_replace_the_one_that_is_never_sent(self):
        theirs = {"200": {"description": "Done."}, "422": {"description": "FastAPI's."}}
        assert "422" not in described(responses=theirs)["responses"]

    def test_leave_an_operations_own_words_alone(self):
        own = {"default": {"description": "The upstream's answer."}}
        assert described(responses=own)["responses"] == own

    def test_refer_to_what_stands_among_the_components(self):
        document = complete(
            {
                "paths": {"/things/{id}": {"get": {"summary": "S", "responses": {}}}},
                "components": {"schemas": {"HTTPValidationError": {}, "Thing": {}}},
            }
        )
        assert document["components"]["schemas"].keys() == {"Thing", "Problem"}
        reference = document["paths"]["/things/{id}"]["get"]["responses"]["404"]["$ref"]
        assert reference.rpartition("/")[2] in document["components"]["responses"]


class TestHeaders:
    def test_say_where_a_new_resource_is(self):
        answer = described(method="post", responses={"201": {"description": "Made."}})["responses"]["201"]
        assert answer["headers"].keys() == {"Location"}

    def test_lead_to_the_next_page(self):
        answer = described(parameters=[{"name": "cursor", "in": "query"}])["responses"]["200"]
        assert answer["headers"].keys() == {"Link"}

    def test_tag_what_can_be_changed_conditionally(self):
        read = {"summary": "S", "responses": {"200": {"description": "It."}}}
        change = {**read, "parameters": [IF_MATCH]}
        document = {"paths": {"/things/{id}": {"get": read, "put": change}}, "components": {"schemas": {}}}
        item = complete(document)["paths"]["/things/{id}"]
        assert item["get"]["responses"]["200"]["headers"].keys() == {"ETag"}


class TestSummary:
    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            ("List Integrations", "List integrations"),
            ("Explain an RFC 9457 type", "Explain an RFC 9457 type"),
        ],
    )
    def test_is_a_sentence(self, theirs, ours):
        assert described(summary=theirs)["summary"] == ours


def test_changes_nothing_of_what_it_is_given():
    document = {
        "paths": {"/things": {"get": {"summary": "List Things", "responses": {"200": {"description": ""}}}}},
        "components": {"schemas": {"ValidationError": {}}},
    }
    before = copy.deepcopy(document)
    complete(document)
    assert document == before
