"""Claims about reading JSON strictly."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.strict_json import INT64, MalformedJson, UnacceptableJson, loads, pointer

MIB = 1 << 20
BUDGET = 3.0
"""Seconds for one MiB: hundreds of times what linear work takes, and far less than quadratic work needs."""

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(INT64.start, INT64.stop - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
plain = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=30)


class TestPlainData:
    @given(plain, st.booleans(), st.sampled_from([None, 2]))
    def test_round_trips(self, value, escaped, indent):
        raw = json.dumps(value, allow_nan=False, ensure_ascii=escaped, indent=indent).encode()
        assert loads(raw) == value

    @given(st.binary())
    def test_any_bytes_are_read_or_refused(self, raw):
        with suppress(MalformedJson, UnacceptableJson):
            loads(raw)

    @given(st.text(alphabet='{}[]":,\\u0d8\n 1eE+-.tfn'))
    def test_reads_nothing_that_the_standard_parser_refuses(self, text):
        try:
            value = loads(text.encode())
        except (MalformedJson, UnacceptableJson):
            return
        assert value == json.loads(text)

    def test_takes_a_surrogate_pair_as_one_character(self):
        assert loads(rb'"\ud83d\ude00"') == "\N{GRINNING FACE}"

    def test_takes_the_ends_of_the_integer_range(self):
        assert loads(b"[-9223372036854775808, 9223372036854775807]") == [-(2**63), 2**63 - 1]


class TestNotJson:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b" ",
            b"{",
            b"nul",
            b"{'a': 1}",
            b'{"a": 1,}',
            b"[1] [2]",
            b"01",
            b"+1",
            b".5",
            b"1.",
            b"NaN",
            b"Infinity",
            b"[-Infinity]",
            b'"\n"',
            b'"\\x"',
            b'"\x00"',
            b"\xef\xbb\xbf1",
            b"\xff\xfe1\x00",
            '"a"'.encode("utf-16-le"),
            b'"\xff"',
            b'"\xed\xa0\x80"',
            b'"\xc0\x80"',
            b"\xc2\xa01",
        ],
    )
    def test_is_malformed(self, raw):
        with pytest.raises(MalformedJson) as refusal:
            loads(raw)
        assert (refusal.value.status, refusal.value.code) == (400, "malformed_json")

    def test_says_where(self):
        with pytest.raises(MalformedJson, match="line 2, column 8: Expecting value"):
            loads(b'{\n  "a": x}')

    def test_never_quotes_the_body(self):
        with pytest.raises(MalformedJson) as refusal:
            loads(b'{"token": sk_live_4242}')
        assert "sk_live" not in str(refusal.value)
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__

    def test_refuses_a_repeated_key_and_points_at_its_object(self):
        with pytest.raises(MalformedJson) as refusal:
            loads(b'{"a": [{}, {"b": 1, "\\u0062": 2}]}')
        assert [fault.pointer for fault in refusal.value.errors] == ["/a/1"]


class TestUnacceptableValue:
    @pytest.mark.parametrize(
        ("raw", "where"),
        [
            (rb'{"a": "x\u0000"}', "/a"),
            (rb'{"a": {"\u0000": 1}}', "/a"),
            (rb'["\ud800"]', "/0"),
            (rb'["\udc00\ud800"]', "/0"),
            (rb'{"a~/b": ["", "\ud83dx"]}', "/a~0~1b/1"),
            (b'{"n": 9223372036854775808}', "/n"),
            (b'{"n": -9223372036854775809}', "/n"),
            (b"1" * 5000, ""),
            (b'{"n": [1e400]}', "/n/0"),
            (b"-1e400", ""),
            (b"1" * 400 + b".0", ""),
        ],
    )
    def test_is_pointed_at(self, raw, where):
        with pytest.raises(UnacceptableJson) as refusal:
            loads(raw)
        assert (refusal.value.status, refusal.value.code) == (422, "unacceptable_json")
        assert [fault.pointer for fault in refusal.value.errors] == [where]

    def test_the_first_of_several_is_named(self):
        with pytest.raises(UnacceptableJson) as refusal:
            loads(rb'{"a": {"b": "\u0000"}, "c": [1e999, "\ud800"]}')
        assert [fault.pointer for fault in refusal.value.errors] == ["/a/b"]


class TestDepth:
    def test_the_bound_itself_is_accepted(self):
        assert loads(b"[" * 64 + b"]" * 64)

    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
    def test_one_more_is_refused(self, opening, closing):
        inner = b"1" if closing == b"}" else b""
        with pytest.raises(MalformedJson, match="deeper than 64"):
            loads(opening * 65 + inner + closing * 65)

    def test_width_is_not_depth(self):
        assert loads(b"[" + b"[]," * 500 + b"{}]") == [[]] * 500 + [{}]

    def test_brackets_in_strings_do_not_count(self):
        text = "[" * 100 + '\\"{[' * 100
        assert loads(json.dumps([text, {text: text}]).encode()) == [text, {text: text}]

    def test_the_bound_can_be_chosen(self):
        with pytest.raises(MalformedJson, match="deeper than 2"):
            loads(b"[[[]]]", max_depth=2)


class TestHostileText:
    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b"[" * MIB, id="openings"),
            pytest.param(b'{"a":' * (MIB // 5), id="objects"),
            pytest.param(b"]" * MIB, id="closings"),
            pytest.param(b"[" * 100 + b"\\" * MIB, id="backslashes"),
            pytest.param(b"[" * 100 + b'\\"' * (MIB // 2), id="escaped quotes"),
            pytest.param(b"[" * 100 + b'"' + b"\\" * MIB, id="unclosed string"),
            pytest.param(b"1" * MIB, id="digits"),
            pytest.param(b"1" * MIB + b"e5", id="digits with an exponent"),
            pytest.param(b"1e" + b"9" * MIB, id="exponent"),
            pytest.param(b"[" + b"1e400," * (MIB // 6) + b"1]", id="infinities"),
            pytest.param(b"[" + b'"\\u0000",' * (MIB // 9) + b"1]", id="nuls"),
            pytest.param(b'["\\ud800' + b" " * MIB + b'"]', id="long flaw"),
        ],
    )
    def test_is_refused_in_linear_time(self, raw):
        started = time.process_time()
        with pytest.raises((MalformedJson, UnacceptableJson)):
            loads(raw)
        assert time.process_time() - started < BUDGET


class TestPointer:
    def test_of_nothing_is_the_whole_document(self):
        assert pointer() == ""

    def test_escapes_what_rfc_6901_reserves(self):
        assert pointer("a/b", 0, "m~n") == "/a~1b/0/m~0n"
