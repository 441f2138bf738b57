import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.secret import Secret
from app.core.templates import (
    MalformedTemplate,
    Reference,
    Renderer,
    UnknownReference,
    UnsafeValue,
    check_header,
    check_url,
    parse,
    scan,
)
from app.core.url_path import climbs

NAMES = {"args", "credentials", "secrets"}
ORIGIN = {"credentials", "secrets"}


def renderer(args=None, credentials=None, secrets=None) -> Renderer:
    return Renderer(
        {
            "args": args or {},
            "credentials": {key: Secret(value) for key, value in (credentials or {}).items()},
            "secrets": {key: Secret(value) for key, value in (secrets or {}).items()},
        }
    )


class TestParse:
    def test_separates_text_from_references(self):
        assert parse("a {{args.x}}{{ secrets.K }} b", NAMES) == (
            "a ",
            Reference("args", "x"),
            Reference("secrets", "K"),
            " b",
        )

    def test_of_plain_text_is_the_text(self):
        assert parse("no { braces } here", NAMES) == ("no { braces } here",)

    @pytest.mark.parametrize(
        "text",
        [
            "{{env.HOME}}",
            "{{args}}",
            "{{args.}}",
            "{{args.a b}}",
            "{{ 7*7 }}",
            "{{args.x",
            "{{args.x|upper}}{{",
        ],
    )
    def test_refuses_braces_that_refer_to_nothing_known(self, text):
        with pytest.raises(MalformedTemplate, match="refers to none of: args, credentials, secrets"):
            parse(text, NAMES)

    def test_its_refusal_is_a_value_error_so_that_a_schema_names_the_field(self):
        with pytest.raises(ValueError, match="env"):
            parse("{{env.HOME}}", NAMES)

    def test_leaves_a_brace_around_a_reference_alone(self):
        assert parse("{{{args.x}}}", NAMES) == ("{", Reference("args", "x"), "}")


class TestScan:
    def test_keeps_another_systems_templates(self):
        assert scan("Hello {{first_name}}, {{secrets.K}}", {"secrets"}) == (
            "Hello {{first_name}}, ",
            Reference("secrets", "K"),
        )


class TestCheckUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "https://api.example.com",
            "https://api.example.com/v1/{{args.id}}?q={{args.q}}",
            "http://localhost:8080?x={{secrets.K}}",
            "https://{{credentials.SUBDOMAIN}}.example.com/x",
            "{{credentials.BASE_URL}}/x/{{args.id}}",
            "{{secrets.HOOK_URL}}",
            "/relative/{{args.id}}",
        ],
    )
    def test_accepts(self, url):
        check_url(url, NAMES, origin=ORIGIN)

    @pytest.mark.parametrize(
        "url",
        [
            "{{args.url}}",
            "https://{{args.host}}/x",
            "https://api.example.com{{args.x}}",
            "https://api.example.com:{{args.port}}/x",
            "https://{{credentials.SUB}}.{{args.domain}}/x",
            "{{credentials.BASE_URL}}{{args.x}}",
            "{{args.scheme}}://api.example.com/",
        ],
    )
    def test_refuses_arguments_that_decide_the_host(self, url):
        with pytest.raises(MalformedTemplate, match="must not decide which host"):
            check_url(url, NAMES, origin=ORIGIN)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "example.com/x",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://example.com:port/",
            "?x=1",
            "https://user:pw@example.com/",
            "https://{{credentials.U}}@example.com/",
            "https://example.com/a b",
            "https://example.com/#x",
            "https://example.com\\@evil.example/",
            "https://example.com/\r\nX: 1",
        ],
    )
    def test_refuses_what_is_no_plain_url(self, url):
        with pytest.raises(MalformedTemplate):
            check_url(url, NAMES, origin=ORIGIN)


class TestCheckHeader:
    def test_refuses_a_second_line(self):
        with pytest.raises(MalformedTemplate):
            check_header("a\r\nX-Evil: 1", NAMES)

    def test_accepts_a_template(self):
        check_header("Bearer {{secrets.TOKEN}}", NAMES)


class TestValue:
    @pytest.mark.parametrize("value", ["text", 7, 1.5, True, None, ["a"], {"b": 1}])
    def test_of_one_reference_keeps_its_json_type(self, value):
        assert renderer({"x": value}).value("{{args.x}}") == value

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("t", "<t>"),
            (7, "<7>"),
            (True, "<true>"),
            (None, "<>"),
            (["a", 1], '<["a",1]>'),
            ({"b": "é"}, '<{"b":"é"}>'),
        ],
    )
    def test_mixed_with_text_is_text(self, value, text):
        assert renderer({"x": value}).value("<{{args.x}}>") == text

    def test_walks_objects_and_lists(self):
        assert renderer({"a": {"b": [{"c": "found"}]}}).value("{{args.a.b.0.c}}") == "found"

    def test_finds_a_key_with_dots_before_a_path(self):
        assert renderer({"a.b": "whole", "a": {"b": "walked"}}).value("{{args.a.b}}") == "whole"
        assert renderer(secrets={"app.key": "s"}).value("{{secrets.app.key}}") == "s"

    @pytest.mark.parametrize(
        "text", ["{{args.no}}", "{{args.a.no}}", "{{args.l.1}}", "{{args.l.-1}}", "{{args.s.0}}"]
    )
    def test_names_the_reference_that_is_unknown(self, text):
        with pytest.raises(UnknownReference) as caught:
            renderer({"a": {}, "l": ["only"], "s": "string"}).value(text)
        assert text in str(caught.value)

    def test_reaches_no_attribute(self):
        with pytest.raises(UnknownReference):
            renderer({"x": "y"}).value("{{args.x.__class__}}")
        with pytest.raises(UnknownReference):
            renderer(secrets={"K": "s"}).value("{{secrets.K._value}}")

    def test_remembers_the_secrets_it_revealed_and_no_others(self):
        rendering = renderer(secrets={"A": "alpha", "B": "beta"})
        assert rendering.value("Bearer {{secrets.A}}") == "Bearer alpha"
        assert [secret.reveal() for secret in rendering.revealed] == ["alpha"]

    def test_says_so_when_a_value_is_too_deep_for_json(self):
        deep: object = "end"
        for _ in range(500):
            deep = [deep]
        with pytest.raises(UnsafeValue, match=r"args\.x"):
            renderer({"x": deep}).text("<{{args.x}}>")


class TestJson:
    def test_renders_every_string_but_no_key(self):
        body = {"{{args.x}}": ["{{args.x}}", {"n": "{{args.n}}"}, 3, None]}
        assert renderer({"x": "v", "n": 2}).json(body) == {"{{args.x}}": ["v", {"n": 2}, 3, None]}

    def test_lenient_keeps_what_refers_to_nothing_here(self):
        values = {"greeting": "Hi {{first_name}} {{args.x}}", "key": "{{secrets.K}}"}
        rendering = Renderer({"secrets": {"K": Secret("s")}})
        assert rendering.json(values, lenient=True) == {
            "greeting": "Hi {{first_name}} {{args.x}}",
            "key": "s",
        }

    @given(st.text())
    def test_never_reads_a_value_as_a_template(self, noise):
        hostile = f"{noise}{{{{secrets.K}}}}{noise}"
        rendering = renderer({"x": hostile, "deep": {"y": [hostile]}}, secrets={"K": "the-secret"})
        rendered = rendering.json({"a": "{{args.x}}", "b": "<{{args.x}}>", "c": "{{args.deep}}"})
        assert rendered == {"a": hostile, "b": f"<{hostile}>", "c": {"y": [hostile]}}
        assert rendering.revealed == []


class TestHeader:
    def test_renders(self):
        assert renderer(secrets={"T": "abc"}).header("Bearer {{secrets.T}}") == "Bearer abc"

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7fb"])
    def test_refuses_a_value_with_control_characters_without_repeating_it(self, value):
        with pytest.raises(UnsafeValue) as caught:
            renderer({"x": value}).header("{{args.x}}")
        assert "{{args.x}}" in str(caught.value)
        assert value not in str(caught.value)


class TestUrl:
    def test_encodes_path_and_query(self):
        url = "https://h.example/u/{{args.id}}/x?q={{args.q}}&n={{args.n}}"
        rendered = renderer({"id": "a/b c", "q": "x&y=z#", "n": 3}).url(url)
        assert rendered == "https://h.example/u/a%2Fb%20c/x?q=x%26y%3Dz%23&n=3"

    def test_takes_a_whole_url_from_a_secret(self):
        hook = "https://hooks.example/services/T0/B0/x?wait=true"
        assert renderer(secrets={"HOOK": hook}).url("{{secrets.HOOK}}") == hook

    def test_takes_a_part_of_the_host_from_a_credential(self):
        rendering = renderer(credentials={"SUB": "acme"})
        assert rendering.url("https://{{credentials.SUB}}.example.com/x") == "https://acme.example.com/x"

    @pytest.mark.parametrize("part", ["evil.example/", "evil.example?", "u@evil", "evil.example#", "a b", ""])
    def test_refuses_a_part_of_the_host_that_is_more_than_that(self, part):
        with pytest.raises(UnsafeValue):
            renderer(credentials={"SUB": part}).url("https://{{credentials.SUB}}.example.com/x")

    @pytest.mark.parametrize(
        "base", ["", "https:", "https://", "ftp://h", "https://u:p@h", "//h", "https://h/#", "h h"]
    )
    def test_refuses_a_base_that_is_no_url(self, base):
        with pytest.raises(UnsafeValue):
            renderer(credentials={"BASE": base}).url("{{credentials.BASE}}//{{credentials.BASE}}/x")

    @pytest.mark.parametrize("value", [None, "", [], {}, ["a"]])
    def test_refuses_a_path_segment_that_is_no_plain_value(self, value):
        with pytest.raises(UnsafeValue, match=r"\{\{args\.id\}\}"):
            renderer({"id": value}).url("https://h.example/users/{{args.id}}")

    @pytest.mark.parametrize("value", [".", "..", "../admin", "..\\admin", "%2e%2e", "..;x"])
    def test_refuses_a_path_that_climbs(self, value):
        with pytest.raises(UnsafeValue, match="segment"):
            renderer({"id": value}).url("https://h.example/users/{{args.id}}")

    def test_puts_together_no_climbing_segment_from_harmless_values(self):
        with pytest.raises(UnsafeValue):
            renderer({"a": "."}).url("https://h.example/x/{{args.a}}{{args.a}}/y")

    def test_lets_dots_pass_in_the_query(self):
        assert renderer({"q": "../x"}).url("/s?q={{args.q}}") == "/s?q=..%2Fx"

    @given(st.text(min_size=1))
    def test_stays_below_its_path(self, value):
        try:
            url = renderer({"id": value}).url("https://h.example/users/{{args.id}}/posts")
        except UnsafeValue:
            return
        path = url.removeprefix("https://h.example")
        assert path.startswith("/users/")
        assert path.endswith("/posts")
        assert path.count("/") == 3
        assert not set(path) & set("?#\\")
        assert not climbs(path)
