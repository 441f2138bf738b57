import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.egress.errors import ForbiddenHeader
from app.core.secret import Secret
from app.core.url_path import climbs
from app.executions.errors import ArgumentInvalid, BaseUrlMissing, BodyNotSupported
from app.executions.operations import join_base
from app.executions.outgoing import Invocation, Values
from app.executions.request import build
from app.handlers.targets import TARGET

BASE = "https://api.example.com/base"


def parameter(name, location, *, required=False, style=None, explode=None):
    style = style or {"path": "simple", "header": "simple"}.get(location, "form")
    explode = style == "form" if explode is None else explode
    return {"name": name, "in": location, "required": required, "style": style, "explode": explode}


ID = parameter("id", "path", required=True)
JSON_BODY = {"contentTypes": ["application/json"], "required": False}


def send(args=None, *, kept=None, invocation=None, **fields):
    target = TARGET.validate_python({"kind": "operation", "method": "POST", "path": "/pets/{id}"} | fields)
    call = {"idempotency_key": "k", "base_url": BASE, "args": {"id": 1} if args is None else args} | (
        invocation or {}
    )
    secrets = {key: Secret(value) for key, value in (kept or {}).items()}
    return build(target, Invocation(**call), Values(secrets=secrets))


def header(request, name):
    return dict(request.headers).get(name)


def pointers(caught):
    return [fault.pointer for fault in caught.value.errors]


class TestJoinBase:
    @pytest.mark.parametrize(
        ("server", "joined"),
        [
            (None, "https://api.example.com/base"),
            ("/v1", "https://api.example.com/v1"),
            ("/v1/", "https://api.example.com/v1"),
            ("v1", "https://api.example.com/v1"),
            ("/", "https://api.example.com"),
            ("https://api.example.com/v2", "https://api.example.com/v2"),
            ("https://API.example.com:443/v2", "https://api.example.com/v2"),
            ("http://api.example.com/v2", "https://api.example.com/base"),
            ("https://api.example.com:8443/v2", "https://api.example.com/base"),
            ("https://evil.example/v2", "https://api.example.com/base"),
            ("//evil.example/v2", "https://api.example.com/base"),
            ("\\\\evil.example/v2", "https://api.example.com/base"),
            ("https://api.example.com@evil.example/", "https://api.example.com/base"),
            ("https://user@api.example.com/v2", "https://api.example.com/base"),
            ("https://{region}.example.com/v2", "https://api.example.com/base"),
            ("/{version}", "https://api.example.com/base"),
            ("/../admin", "https://api.example.com/base"),
            ("https://api.example.com:x/", "https://api.example.com/base"),
            ("javascript:alert(1)", "https://api.example.com/base"),
        ],
    )
    def test_stays_on_the_integrations_origin(self, server, joined):
        assert join_base("https://api.example.com/base/", server) == joined

    @pytest.mark.parametrize(
        "base", [None, "", "api.example.com", "ftp://h/", "https://", "https://u:p@h/", "https://h:x/"]
    )
    def test_needs_a_base_url(self, base):
        with pytest.raises(BaseUrlMissing):
            join_base(base)

    @given(st.text())
    def test_never_leaves_the_origin_whatever_the_document_says(self, server):
        assert urlsplit(join_base(BASE, server) + "/x").netloc == "api.example.com"


class TestPath:
    def test_is_filled_and_encoded(self):
        assert send({"id": "a/b c?d#e"}, parameters=[ID]).url == f"{BASE}/pets/a%2Fb%20c%3Fd%23e"

    def test_takes_a_parameter_that_is_not_declared(self):
        assert send({"id": 7}).url == f"{BASE}/pets/7"

    def test_ignores_a_declared_one_that_is_not_in_it(self):
        assert (
            send({"id": 7}, parameters=[ID, parameter("gone", "path", required=True)]).url == f"{BASE}/pets/7"
        )

    def test_takes_odd_names_and_literals(self):
        request = send({"pet-é": "x"}, path="/a|b/{pet-é}:run")
        assert request.url == f"{BASE}/a%7Cb/x:run"

    @pytest.mark.parametrize("style", ["label", "matrix"])
    def test_knows_the_other_styles(self, style):
        written = {"label": ".x", "matrix": ";id=x"}[style]
        request = send({"id": "x"}, parameters=[parameter("id", "path", style=style, explode=False)])
        assert request.url == f"{BASE}/pets/{written}"

    @pytest.mark.parametrize("value", ["..", ".", "../x", "..\\x", "%2e%2e", "..;a=b", "%252e."])
    def test_cannot_be_climbed(self, value):
        with pytest.raises(ArgumentInvalid, match="segment"):
            send({"id": value})

    @given(st.text(min_size=1))
    def test_keeps_its_shape_whatever_the_argument(self, value):
        try:
            path = urlsplit(send({"id": value}, path="/pets/{id}/toys").url).path
        except ArgumentInvalid:
            return
        assert path.startswith("/base/pets/")
        assert path.endswith("/toys")
        assert path.count("/") == 4
        assert not climbs(path)


class TestRequiredArguments:
    def test_are_all_named_when_they_are_missing(self):
        with pytest.raises(ArgumentInvalid) as caught:
            send(
                {"id": None},
                parameters=[ID, parameter("a/b", "query", required=True), parameter("c", "header")],
            )
        assert pointers(caught) == ["/id", "/a~1b"]

    def test_are_pointed_at_where_the_sorted_form_has_them(self):
        with pytest.raises(ArgumentInvalid) as caught:
            send({"query": {"x": 1}}, parameters=[ID, parameter("x", "query")])
        assert pointers(caught) == ["/path/id"]

    @pytest.mark.parametrize("value", ["", [], {}, [""], [None]])
    def test_must_not_empty_a_path(self, value):
        with pytest.raises(ArgumentInvalid) as caught:
            send({"id": value})
        assert pointers(caught) == ["/id"]

    def test_can_come_from_the_defaults(self):
        assert send({}, invocation={"default_args": {"id": 9}}).url == f"{BASE}/pets/9"

    def test_may_be_what_a_security_scheme_supplies(self):
        scheme = {"scheme": "key", "type": "apiKey", "in": "query", "name": "api_key"}
        declared = [ID, parameter("api_key", "query", required=True)]
        request = send(parameters=declared, security=[[scheme]], kept={"KEY": "s"})
        assert request.url.endswith("?api_key=s")

    def test_leave_the_idempotency_key_to_us(self):
        request = send(parameters=[ID, parameter("Idempotency-Key", "header", required=True)])
        assert header(request, "Idempotency-Key") == "k"


class TestQueryHeadersCookies:
    PARAMETERS = (ID, parameter("q", "query"), parameter("X-H", "header"), parameter("c", "cookie"))

    def test_are_serialised_by_their_styles(self):
        request = send(
            {"id": 1, "q": ["a b", "c"], "X-H": ["x", "y"], "c": "é"}, parameters=[*self.PARAMETERS]
        )
        assert request.url == f"{BASE}/pets/1?q=a%20b&q=c"
        assert header(request, "X-H") == "x,y"
        assert header(request, "Cookie") == "c=%C3%A9"

    def test_leave_out_what_is_null_or_empty(self):
        request = send({"id": 1, "q": [], "X-H": None}, parameters=[*self.PARAMETERS])
        assert request.url == f"{BASE}/pets/1"
        assert header(request, "X-H") is None

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0"])
    def test_refuse_a_second_line(self, value):
        with pytest.raises(ForbiddenHeader) as caught:
            send({"id": 1, "X-H": value}, parameters=[*self.PARAMETERS])
        assert value not in str(caught.value)

    @pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
    def test_refuse_headers_of_the_connection(self, name):
        declared = [ID, parameter(name, "header", required=True)]
        with pytest.raises(ArgumentInvalid) as caught:
            send({"id": 1, name: "x"}, parameters=declared)
        assert pointers(caught) == [f"/{name}"]
        assert header(send(parameters=declared), name) is None

    def test_may_be_the_content_type(self):
        declared = [ID, parameter("content-type", "header")]
        request = send(
            {"id": 1, "a": 2, "content-type": "application/json; v=2"}, parameters=declared, body=JSON_BODY
        )
        types = [value for name, value in request.headers if name.lower() == "content-type"]
        assert types == ["application/json; v=2"]

    def test_yield_to_what_a_security_scheme_sends(self):
        scheme = {"scheme": "b", "type": "http", "httpScheme": "bearer"}
        declared = [ID, parameter("authorization", "header", required=True)]
        request = send(
            {"id": 1, "authorization": "own"}, parameters=declared, security=[[scheme]], kept={"B": "t"}
        )
        sent = [value for name, value in request.headers if name.lower() == "authorization"]
        assert sent == ["Bearer t"]

    def test_join_cookies_of_parameters_and_security(self):
        scheme = {"scheme": "session", "type": "apiKey", "in": "cookie", "name": "sid"}
        request = send(
            {"id": 1, "c": "x"}, parameters=[*self.PARAMETERS], security=[[scheme]], kept={"SESSION": "a;b"}
        )
        assert header(request, "Cookie") == "c=x; sid=a%3Bb"

    def test_refuse_a_value_that_is_too_large(self):
        with pytest.raises(ArgumentInvalid) as caught:
            send({"id": 1, "q": "x" * 70_000}, parameters=[*self.PARAMETERS])
        assert pointers(caught) == ["/q"]


class TestArguments:
    SAME = (parameter("id", "path", required=True), parameter("id", "query"))

    def test_are_refused_flat_where_a_name_is_ambiguous(self):
        with pytest.raises(ArgumentInvalid) as caught:
            send({"id": 1}, parameters=[*self.SAME])
        assert pointers(caught) == ["/id"]

    def test_are_told_apart_when_they_are_sorted(self):
        request = send(
            {"path": {"id": 1}, "query": {"id": 2}, "body": [3]}, parameters=[*self.SAME], body=JSON_BODY
        )
        assert request.url == f"{BASE}/pets/1?id=2"
        assert request.body == b"[3]"

    def test_are_refused_sorted_where_nothing_has_that_name(self):
        with pytest.raises(ArgumentInvalid) as caught:
            send({"path": {"id": 1}, "query": {"no": 2}}, parameters=[ID])
        assert pointers(caught) == ["/query/no"]

    @pytest.mark.parametrize(
        ("defaults", "args"),
        [
            ({"id": 1, "q": 2, "a": {"x": 1}, "timeout": 9}, {"query": {"q": 3}, "body": {"a": {"y": 2}}}),
            ({"path": {"id": 1}, "body": {"a": {"x": 1}}, "retries": 2}, {"q": 3, "a": {"y": 2}}),
        ],
    )
    def test_may_differ_in_form_from_the_defaults(self, defaults, args):
        declared = [parameter("id", "path", required=True), parameter("q", "query")]
        request = send(args, parameters=declared, body=JSON_BODY, invocation={"default_args": defaults})
        assert request.url == f"{BASE}/pets/1?q=3"
        assert json.loads(request.body) == {"a": {"x": 1, "y": 2}}

    def test_take_a_timeout_that_is_the_operations_own(self):
        defaults = {"default_args": {"timeout": 9, "retries": 1}}
        request = send(parameters=[ID, parameter("timeout", "query")], body=JSON_BODY, invocation=defaults)
        assert (request.url, request.body) == (f"{BASE}/pets/1?timeout=9", None)

    def test_are_flat_when_a_parameter_is_named_like_a_place(self):
        request = send({"path": {"a": 1}}, path="/x", parameters=[parameter("path", "query", explode=False)])
        assert request.url == f"{BASE}/x?path=a,1"


class TestBody:
    def test_is_what_is_no_parameter(self):
        request = send(
            {"id": 1, "q": 2, "name": "Rex", "tags": ["a"]},
            parameters=[ID, parameter("q", "query")],
            body=JSON_BODY,
        )
        assert json.loads(request.body) == {"name": "Rex", "tags": ["a"]}
        assert header(request, "Content-Type") == "application/json"

    def test_is_absent_where_the_operation_has_none(self):
        request = send({"id": 1, "extra": True})
        assert request.body is None
        assert header(request, "Content-Type") is None

    @pytest.mark.parametrize(("required", "body"), [(True, b"{}"), (False, None)])
    def test_without_arguments_is_sent_only_if_required(self, required, body):
        assert send(body=JSON_BODY | {"required": required}).body == body

    def test_is_missing_when_sorted_arguments_lack_it(self):
        with pytest.raises(ArgumentInvalid) as caught:
            send({"path": {"id": 1}}, body=JSON_BODY | {"required": True})
        assert pointers(caught) == ["/body"]

    @pytest.mark.parametrize(
        ("types", "sent"),
        [
            (
                ["application/x-www-form-urlencoded", "application/json; charset=utf-8"],
                "application/json; charset=utf-8",
            ),
            (["application/vnd.api+json"], "application/vnd.api+json"),
            (["*/*"], "application/json"),
            ([], "application/json"),
        ],
    )
    def test_is_json_where_that_is_taken(self, types, sent):
        request = send({"id": 1, "a": 2}, body={"contentTypes": types, "required": True})
        assert json.loads(request.body) == {"a": 2}
        assert header(request, "Content-Type") == sent

    def test_is_a_form_where_json_is_not_taken(self):
        types = ["multipart/form-data", "application/x-www-form-urlencoded"]
        request = send({"id": 1, "a": "x y", "b": [1, 2]}, body={"contentTypes": types})
        assert parse_qsl(request.body.decode()) == [("a", "x y"), ("b", "1"), ("b", "2")]
        assert header(request, "Content-Type") == "application/x-www-form-urlencoded"

    def test_is_text_where_only_that_is_taken(self):
        request = send({"path": {"id": 1}, "body": "héllo"}, body={"contentTypes": ["text/plain"]})
        assert request.body == "héllo".encode()

    def test_of_another_type_cannot_be_made_from_arguments(self):
        with pytest.raises(BodyNotSupported):
            send({"id": 1, "a": 2}, body={"contentTypes": ["application/xml"]})

    def test_is_handed_on_when_the_caller_sent_no_object(self):
        opaque = {"args": None, "body": b"<x/>", "content_type": "application/xml", "default_args": {"id": 4}}
        request = send(invocation=opaque, body=JSON_BODY)
        assert (request.url, request.body) == (f"{BASE}/pets/4", b"<x/>")
        assert header(request, "Content-Type") == "application/xml"


class TestSecurity:
    SCHEMES = (({"scheme": "bearerAuth", "type": "http", "httpScheme": "bearer"},),)

    def test_sends_credentials_to_the_integrations_origin_only(self):
        request = send(
            server="https://evil.example",
            security=[list(a) for a in self.SCHEMES],
            kept={"BEARER_AUTH": "s3cret"},
        )
        assert urlsplit(request.url).netloc == "api.example.com"
        assert header(request, "Authorization") == "Bearer s3cret"
        assert [secret.reveal() for secret in request.secrets_used] == ["s3cret"]

    def test_goes_without_when_nothing_is_kept(self):
        assert header(send(security=[list(a) for a in self.SCHEMES]), "Authorization") is None
