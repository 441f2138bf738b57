import json
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.executions.errors import ArgumentInvalid
from app.executions.parameters import form, json_text, serialize
from app.handlers.targets import Parameter

EMPTY, TEXT = "", "blue"
LIST = ["blue", "black", "brown"]
OBJECT = {"R": 100, "G": 200, "B": 150}


def parameter(style, *, explode, location="query", name="color"):
    return Parameter.model_validate({"name": name, "in": location, "style": style, "explode": explode})


# The table of OpenAPI 3.1.1, section 4.8.12.5, row by row; what it calls not applicable is left out.
CASES = [
    ("matrix", False, EMPTY, ";color"),
    ("matrix", False, TEXT, ";color=blue"),
    ("matrix", False, LIST, ";color=blue,black,brown"),
    ("matrix", False, OBJECT, ";color=R,100,G,200,B,150"),
    ("matrix", True, EMPTY, ";color"),
    ("matrix", True, TEXT, ";color=blue"),
    ("matrix", True, LIST, ";color=blue;color=black;color=brown"),
    ("matrix", True, OBJECT, ";R=100;G=200;B=150"),
    ("label", False, EMPTY, "."),
    ("label", False, TEXT, ".blue"),
    ("label", False, LIST, ".blue,black,brown"),
    ("label", False, OBJECT, ".R,100,G,200,B,150"),
    ("label", True, EMPTY, "."),
    ("label", True, TEXT, ".blue"),
    ("label", True, LIST, ".blue.black.brown"),
    ("label", True, OBJECT, ".R=100.G=200.B=150"),
    ("simple", False, EMPTY, ""),
    ("simple", False, TEXT, "blue"),
    ("simple", False, LIST, "blue,black,brown"),
    ("simple", False, OBJECT, "R,100,G,200,B,150"),
    ("simple", True, EMPTY, ""),
    ("simple", True, TEXT, "blue"),
    ("simple", True, LIST, "blue,black,brown"),
    ("simple", True, OBJECT, "R=100,G=200,B=150"),
    ("form", False, EMPTY, "color="),
    ("form", False, TEXT, "color=blue"),
    ("form", False, LIST, "color=blue,black,brown"),
    ("form", False, OBJECT, "color=R,100,G,200,B,150"),
    ("form", True, EMPTY, "color="),
    ("form", True, TEXT, "color=blue"),
    ("form", True, LIST, "color=blue&color=black&color=brown"),
    ("form", True, OBJECT, "R=100&G=200&B=150"),
    ("spaceDelimited", False, LIST, "color=blue%20black%20brown"),
    ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
    ("pipeDelimited", False, LIST, "color=blue%7Cblack%7Cbrown"),
    ("pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
    ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
]


class TestSerialize:
    @pytest.mark.parametrize(("style", "explode", "value", "written"), CASES)
    def test_follows_the_specification(self, style, explode, value, written):
        assert serialize(parameter(style, explode=explode), value) == written

    @pytest.mark.parametrize(
        ("value", "written"), [(True, "c=true"), (7, "c=7"), (1.5, "c=1.5"), ("é &=", "c=%C3%A9%20%26%3D")]
    )
    def test_writes_scalars_as_json_does_and_encodes_them(self, value, written):
        assert serialize(parameter("form", explode=True, name="c"), value) == written

    def test_encodes_the_delimiters_inside_of_values(self):
        assert serialize(parameter("simple", explode=False), ["a,b", "c/d"]) == "a%2Cb,c%2Fd"

    def test_leaves_a_header_as_it_is(self):
        assert serialize(parameter("simple", explode=False, location="header"), ["a b", "c/d"]) == "a b,c/d"

    @pytest.mark.parametrize("value", [[], {}])
    @pytest.mark.parametrize("explode", [True, False])
    def test_writes_nothing_for_an_empty_collection(self, value, explode):
        assert serialize(parameter("form", explode=explode), value) == ""

    def test_nests_deep_objects_and_lists(self):
        value = {"a": {"b": [1, {"c": "x y"}]}, "n": None}
        assert serialize(parameter("deepObject", explode=True, name="q"), value) == (
            "q%5Ba%5D%5Bb%5D%5B0%5D=1&q%5Ba%5D%5Bb%5D%5B1%5D%5Bc%5D=x%20y&q%5Bn%5D="
        )

    def test_writes_what_is_deeper_elsewhere_as_json(self):
        written = serialize(parameter("form", explode=True), [{"a": 1}])
        assert unquote(written) == 'color={"a":1}'

    @given(st.text(), st.lists(st.text(), min_size=1))
    def test_is_read_back_from_a_query(self, text, items):
        assert parse_qsl(serialize(parameter("form", explode=True), text), keep_blank_values=True) == [
            ("color", text)
        ]
        query = serialize(parameter("form", explode=True), items)
        assert parse_qsl(query, keep_blank_values=True) == [("color", item) for item in items]


class TestForm:
    def test_repeats_lists_and_writes_objects_as_json(self):
        written = form({"a": "x y&z", "b": [1, True], "c": {"d": [1]}, "e": None, "f": []})
        assert parse_qsl(written, keep_blank_values=True) == [
            ("a", "x y&z"),
            ("b", "1"),
            ("b", "true"),
            ("c", '{"d":[1]}'),
            ("e", ""),
        ]


class TestJsonText:
    def test_is_compact_utf8(self):
        assert json_text({"a": ["é", 1, None]}) == '{"a":["é",1,null]}'.encode()

    def test_refuses_what_is_too_deep_without_showing_it(self):
        value = json.loads("[" * 500 + '"s3cret"' + "]" * 500)
        with pytest.raises(ArgumentInvalid) as caught:
            json_text(value)
        assert "s3cret" not in str(caught.value)


class TestContent:
    """A parameter may be a document of its own (OpenAPI 3.1.1, section 4.8.12.2.2)."""

    @pytest.mark.parametrize(
        ("location", "content_type", "value", "expected"),
        [
            ("query", "application/json", {"a": [1, None]}, "q=%7B%22a%22%3A%5B1%2Cnull%5D%7D"),
            ("query", "application/json", "x", "q=%22x%22"),
            ("query", "text/plain", "a&b", "q=a%26b"),
            (
                "query",
                "application/x-www-form-urlencoded",
                {"a": "b c", "d": [1, 2]},
                "q=a%3Db%2520c%26d%3D1%26d%3D2",
            ),
            ("cookie", "application/json", [1], "q=%5B1%5D"),
            ("header", "application/json", {"a": 1}, '{"a":1}'),
            ("path", "application/json", {"a": "/"}, "%7B%22a%22%3A%22%2F%22%7D"),
            (
                "querystring",
                "application/x-www-form-urlencoded",
                {"a": "b c", "d": [1, 2]},
                "a=b%20c&d=1&d=2",
            ),
            ("querystring", None, {"a": 1}, "a=1"),
            ("querystring", "application/json", {"a": 1}, "%7B%22a%22%3A1%7D"),
            ("querystring", "text/plain", "a=1&b", "a%3D1%26b"),
        ],
    )
    def test_is_written_as_its_media_type(self, location, content_type, value, expected):
        stated = {"name": "q", "in": location, "style": "simple", "explode": False}
        given_type = {} if content_type is None else {"contentType": content_type}
        assert serialize(Parameter.model_validate({**stated, **given_type}), value) == expected
