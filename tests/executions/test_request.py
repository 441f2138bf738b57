import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.egress.errors import ForbiddenHeader
from app.core.secret import Secret
from app.core.templates import UnknownReference, UnsafeValue
from app.executions.errors import ArgumentInvalid, BaseUrlMissing
from app.executions.outgoing import Invocation, Values
from app.executions.redaction import Redactor
from app.executions.request import build
from app.handlers.targets import TARGET

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


def send(args=None, *, secrets=None, credentials=None, invocation=None, **fields):
    target = TARGET.validate_python({"kind": "http", "method": "POST", "url": "https://h.example/x"} | fields)
    values = Values(
        credentials={key: Secret(value) for key, value in (credentials or {}).items()},
        secrets={key: Secret(value) for key, value in (secrets or {}).items()},
    )
    call = {"idempotency_key": "key-1", "args": {} if args is None else args} | (invocation or {})
    return build(target, Invocation(**call), values)


def header(request, name):
    return dict(request.headers).get(name)


class TestUrl:
    def test_takes_arguments_credentials_and_secrets(self):
        request = send(
            {"id": "a/b", "q": "c&d"},
            url="https://{{credentials.SUB}}.example.com/{{secrets.TOKEN}}/{{args.id}}?q={{args.q}}",
            credentials={"SUB": "acme"},
            secrets={"TOKEN": "t/k"},
        )
        assert request.url == "https://acme.example.com/t%2Fk/a%2Fb?q=c%26d"

    def test_can_be_below_the_integrations_base(self):
        request = send({"id": 1}, url="/x/{{args.id}}", invocation={"base_url": "https://h.example/api/"})
        assert request.url == "https://h.example/api/x/1"

    def test_below_the_base_needs_one(self):
        with pytest.raises(BaseUrlMissing):
            send(url="/x")

    def test_below_the_base_stays_there(self):
        request = send(url="//evil.example/x", invocation={"base_url": "https://h.example"})
        assert urlsplit(request.url).netloc == "h.example"

    @pytest.mark.parametrize("value", ["..", "../x", "%2e%2e"])
    def test_cannot_be_climbed(self, value):
        with pytest.raises(UnsafeValue):
            send({"id": value}, url="https://h.example/a/{{args.id}}/b")

    def test_needs_what_it_names(self):
        with pytest.raises(UnknownReference, match=r"args\.id"):
            send(url="https://h.example/{{args.id}}")


class TestHeaders:
    def test_are_rendered(self):
        request = send(
            headers={"Authorization": "Bearer {{secrets.T}}", "X-A": "{{args.a}}"},
            args={"a": 1},
            secrets={"T": "t"},
        )
        assert header(request, "Authorization") == "Bearer t"
        assert header(request, "X-A") == "1"

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0b"])
    def test_refuse_a_second_line(self, value):
        with pytest.raises(UnsafeValue):
            send({"a": value}, headers={"X-A": "{{args.a}}"})

    def test_carry_the_idempotency_key(self):
        assert header(send(), "Idempotency-Key") == "key-1"

    def test_leave_the_handlers_own_idempotency_key_alone(self):
        request = send({"id": 5}, headers={"idempotency-key": "{{args.id}}"})
        assert [value for name, value in request.headers if name.lower() == "idempotency-key"] == ["5"]

    def test_refuse_a_content_type_with_a_second_line(self):
        with pytest.raises(ForbiddenHeader):
            send(invocation={"args": None, "body": b"x", "content_type": "text/plain\r\nX: 1"})


class TestBody:
    def test_without_a_template_is_the_arguments_over_the_defaults(self):
        request = send(
            {"a": {"x": 1}}, invocation={"default_args": {"a": {"y": 2}, "b": 3, "timeout": 5, "retries": 1}}
        )
        assert json.loads(request.body) == {"a": {"x": 1, "y": 2}, "b": 3}
        assert header(request, "Content-Type") == "application/json"

    def test_without_arguments_is_an_empty_object(self):
        assert send().body == b"{}"

    def test_without_a_template_can_be_a_form(self):
        request = send(
            {"a": "x y", "b": [1, 2]}, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert parse_qsl(request.body.decode()) == [("a", "x y"), ("b", "1"), ("b", "2")]
        assert header(request, "Content-Type") == "application/x-www-form-urlencoded"

    def test_from_a_template_keeps_json_types(self):
        request = send({"n": 3, "l": [1]}, body={"n": "{{args.n}}", "l": "{{args.l}}", "t": "n={{args.n}}"})
        assert json.loads(request.body) == {"n": 3, "l": [1], "t": "n=3"}

    @pytest.mark.parametrize(
        ("content_type", "body", "sent"),
        [
            (None, "{{args.x}}", b"hi"),
            ("text/xml", "<a>{{args.x}}</a>", b"<a>hi</a>"),
            ("application/json", "{{args.x}}", b'"hi"'),
        ],
    )
    def test_of_text_follows_the_content_type(self, content_type, body, sent):
        request = send({"x": "hi"}, body=body, headers={"Content-Type": content_type} if content_type else {})
        assert request.body == sent
        assert header(request, "Content-Type") == (content_type or "text/plain; charset=utf-8")

    def test_is_handed_on_when_the_caller_sent_no_object(self):
        request = send(invocation={"args": None, "body": b"\xff\x00", "content_type": "image/png"})
        assert request.body == b"\xff\x00"
        assert header(request, "Content-Type") == "image/png"

    def test_from_a_template_is_made_even_then(self):
        request = send(
            body={"fixed": True}, invocation={"args": None, "body": b"<x/>", "content_type": "text/xml"}
        )
        assert request.body == b'{"fixed":true}'
        assert header(request, "Content-Type") == "application/json"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
    def test_is_a_query_for_methods_that_have_none(self, method):
        request = send({"a": 1, "b": ["x", "y"], "n": None}, method=method)
        assert request.url == "https://h.example/x?a=1&b=x&b=y"
        assert request.body is None
        assert header(request, "Content-Type") is None

    def test_as_a_query_repeats_nothing_and_overrules_nothing(self):
        request = send(
            {"id": 1, "tenant": "other", "page": 2, "h": "v"},
            method="GET",
            url="https://h.example/{{args.id}}?tenant=mine",
            headers={"X-H": "{{args.h}}"},
        )
        assert request.url == "https://h.example/1?tenant=mine&page=2"

    def test_as_a_query_is_bounded(self):
        with pytest.raises(ArgumentInvalid):
            send({"a": "x" * 70_000}, method="GET")


class TestTemplates:
    @given(JSON)
    def test_of_the_caller_stay_literal(self, noise):
        hostile = {"x": "{{secrets.K}}", "deep": {"y": ["{{secrets.K}}", noise]}}
        request = send(
            hostile,
            secrets={"K": "the-secret"},
            body={"x": "{{args.x}}", "deep": "{{args.deep}}", "mixed": "<{{args.x}}>"},
            headers={"X-A": "{{args.x}}"},
            url="https://h.example/{{args.x}}",
            invocation={"default_args": {"deep": {"z": 1}}},
        )
        assert json.loads(request.body) == {
            "x": "{{secrets.K}}",
            "deep": {"z": 1, "y": ["{{secrets.K}}", noise]},
            "mixed": "<{{secrets.K}}>",
        }
        assert header(request, "X-A") == "{{secrets.K}}"
        assert request.secrets_used == ()

    def test_of_the_defaults_are_rendered_once(self):
        request = send(
            {"note": "{{secrets.K}}"},
            secrets={"K": "{{secrets.OTHER}}", "OTHER": "never"},
            invocation={"default_args": {"key": "{{secrets.K}}"}},
        )
        assert json.loads(request.body) == {"key": "{{secrets.OTHER}}", "note": "{{secrets.K}}"}


class TestSecretsUsed:
    def test_are_all_that_were_revealed_and_no_others(self):
        request = send(
            secrets={"A": "alpha", "B": "beta", "UNUSED": "unused"},
            credentials={"C": "gamma"},
            url="https://h.example/{{secrets.A}}",
            headers={"X-C": "{{credentials.C}}"},
            invocation={"default_args": {"b": "{{secrets.B}}"}},
        )
        assert {secret.reveal() for secret in request.secrets_used} == {"alpha", "beta", "gamma"}

    def test_are_not_shown(self):
        request = send({"x": "v"}, secrets={"A": "alpha"}, headers={"X-A": "{{secrets.A}}"})
        assert "alpha" not in repr(request)

    @given(
        st.text(
            st.characters(min_codepoint=33, exclude_characters="[]redact", exclude_categories=["Cs"]),
            min_size=4,
        )
    )
    def test_can_be_taken_out_of_all_that_is_kept(self, value):
        request = send(
            secrets={"K": value},
            url="https://h.example/{{secrets.K}}?k={{secrets.K}}",
            body={"k": "{{secrets.K}}", "mixed": "x{{secrets.K}}x"},
        )
        redactor = Redactor(request.secrets_used)
        kept = redactor.body(request.body).decode() + redactor.text(
            request.url.removeprefix("https://h.example")
        )
        assert kept.count("[redacted]") == 4
        assert value not in json.dumps(json.loads(redactor.body(request.body)), ensure_ascii=False)
