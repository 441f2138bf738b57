from typing import get_args

import pytest
from pydantic import ValidationError

from app.core.egress.calls import METHODS
from app.core.egress.headers import CONNECTION_HEADERS
from app.handlers.targets import TARGET, Method, is_form, is_json


def http(**fields):
    return {"kind": "http", "method": "POST", "url": "https://api.example.com/x"} | fields


def operation(**fields):
    return {"kind": "operation", "method": "GET", "path": "/pets/{petId}"} | fields


def nested(depth):
    value: object = "end"
    for _ in range(depth):
        value = [value]
    return value


PARAMETER = {"name": "petId", "in": "path", "required": True, "style": "simple", "explode": False}
FULL = operation(
    parameters=[PARAMETER],
    body={"contentTypes": ["application/json"], "required": True},
    security=[[{"scheme": "bearerAuth", "type": "http", "httpScheme": "bearer"}], []],
    server="/v1",
    operationId="getPet",
    summary="One pet",
)


class TestTarget:
    @pytest.mark.parametrize(
        "target",
        [
            {"kind": "store"},
            {"kind": "capability", "connector": "slack", "name": "post_message"},
            http(),
            http(url="/below/{{args.id}}", method="GET"),
            http(headers={"Authorization": "Bearer {{secrets.TOKEN}}"}, body={"a": ["{{args.x}}", 1, None]}),
            operation(),
            FULL,
        ],
    )
    def test_survives_being_stored(self, target):
        read = TARGET.validate_python(target)
        stored = TARGET.dump_python(read, by_alias=True, mode="json")
        assert TARGET.validate_python(stored) == read
        assert target.items() <= TARGET.dump_python(read, by_alias=True, exclude_unset=True).items()

    @pytest.mark.parametrize(
        "target",
        [
            {},
            {"kind": "shell", "command": "id"},
            {"kind": "store", "extra": 1},
            {"kind": "capability", "connector": "../x", "name": "y"},
            {"kind": "http", "method": "POST"},
            http(method="post"),
            http(method="CONNECT"),
            http(method="TRACE"),
            http(method=7),
            http(url="https://x.example/" + "a" * 4096),
            http(headers={f"X-{n}": "v" for n in range(65)}),
            http(headers={"X-Long": "v" * 8193}),
            http(headers={"X Y": "v"}),
            http(headers={"X-A": "a\r\nX-B: b"}),
            http(headers={"X-A": "1", "x-a": "2"}),
            http(headers={"X-A": 1}),
            http(body=nested(33)),
            http(body=nested(800)),
            http(body="x" * 65_537),
            operation(path="pets"),
            operation(path="/pets?x=1"),
            operation(path="/a b"),
            operation(path="/" + "x" * 2048),
            operation(parameters=[PARAMETER] * 513),
            operation(parameters=[PARAMETER | {"in": "body"}]),
            operation(parameters=[PARAMETER | {"style": "tabs"}]),
            operation(parameters=[PARAMETER | {"explode": "yes"}]),
            operation(body={"contentTypes": ["a/b"] * 65}),
            operation(security=[[{"scheme": "x", "type": "magic"}]]),
            operation(security=[[]] * 33),
            operation(server="x" * 2049),
        ],
    )
    def test_refuses(self, target):
        with pytest.raises(ValidationError):
            TARGET.validate_python(target)


class TestHttpTarget:
    @pytest.mark.parametrize(
        "url", ["{{args.url}}", "https://{{args.host}}/", "https://api.example.com{{args.rest}}"]
    )
    def test_refuses_a_host_from_the_arguments(self, url):
        with pytest.raises(ValidationError, match="must not decide which host"):
            TARGET.validate_python(http(url=url))

    @pytest.mark.parametrize(
        "fields",
        [
            {"url": "https://x.example/{{env.HOME}}"},
            {"headers": {"X-A": "{{env.HOME}}"}},
            {"body": {"a": [{"b": "{{env.HOME}}"}]}},
        ],
    )
    def test_names_a_reference_to_nothing(self, fields):
        with pytest.raises(ValidationError, match=r"env\.HOME"):
            TARGET.validate_python(http(**fields))

    @pytest.mark.parametrize("name", [*sorted(CONNECTION_HEADERS), "HOST", "Content-Length"])
    def test_refuses_headers_that_frame_the_message(self, name):
        with pytest.raises(ValidationError, match="set by the client"):
            TARGET.validate_python(http(headers={name: "x"}))

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "Application/Problem+JSON; x=y", "application/x-www-form-urlencoded"],
    )
    def test_refuses_text_that_a_value_could_break_out_of(self, content_type):
        target = http(headers={"content-type": content_type}, body='{"a": "{{args.x}}"}')
        with pytest.raises(ValidationError, match="as an object, not as text"):
            TARGET.validate_python(target)

    def test_allows_text_of_another_type_and_a_single_reference(self):
        TARGET.validate_python(http(headers={"Content-Type": "text/plain"}, body="Hello {{args.name}}"))
        TARGET.validate_python(http(headers={"Content-Type": "application/json"}, body="{{args.payload}}"))


class TestMethod:
    def test_is_what_the_client_can_send(self):
        assert set(get_args(Method)) == METHODS


class TestMediaTypes:
    def test_are_recognised_with_parameters_and_suffixes(self):
        assert is_json("application/json; charset=utf-8")
        assert is_json("application/vnd.github+json")
        assert not is_json("application/jsonlines")
        assert is_form("Application/X-WWW-Form-Urlencoded;charset=utf-8")
        assert not is_form("multipart/form-data")
