import contextlib
import os
import signal
import subprocess
import sys
from itertools import pairwise

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.openapi_sync import yaml_child, yaml_process, yaml_reader
from app.openapi_sync.errors import MAX_DEPTH, DocumentTooComplex, DocumentUnreadable
from app.openapi_sync.yaml_process import read_yaml
from app.openapi_sync.yaml_quick import plain_yaml_as_json
from app.openapi_sync.yaml_reader import parse_yaml


def value_of(text: str) -> object:
    return parse_yaml(text.encode())[0]


def messages_of(text: str) -> list[tuple[str, str]]:
    return [(oddity.pointer, oddity.message) for oddity in parse_yaml(text.encode())[1]]


class TestCoreSchema:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("2019-09-15", "2019-09-15"),
            ("18:00", "18:00"),
            ("no", "no"),
            ("on", "on"),
            ("true", True),
            ("FALSE", False),
            ("~", None),
            ("null", None),
            ("12", 12),
            ("-7", -7),
            ("010", 10),
            ("0o10", 8),
            ("0x1F", 31),
            ("1.5", 1.5),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("1_000", "1_000"),
            ("3.0.1", "3.0.1"),
            ("'12'", "12"),
            ('"true"', "true"),
            ("!!str 12", "12"),
            ("!!int '12'", 12),
            ("! 12", "12"),
            ("", None),
        ],
    )
    def test_resolves_as_yaml_1_2(self, text, value):
        found = value_of(text)
        assert found == value
        assert type(found) is type(value)

    def test_keeps_keys_as_they_are_written(self):
        assert value_of("{200: a, true: b, null: c, 1.0: d}") == {
            "200": "a",
            "true": "b",
            "null": "c",
            "1.0": "d",
        }

    def test_makes_integers_beyond_64_bits_floats(self):
        assert value_of("[9223372036854775807, 18446744073709551615]") == [2**63 - 1, 2**64 - 1]
        assert isinstance(value_of("18446744073709551616"), float)
        assert isinstance(value_of("-9223372036854775809"), float)

    @pytest.mark.parametrize("text", ["1" * 10_000, ".inf", "-.INF", ".nan", "1e999", "0x" + "f" * 100])
    def test_makes_null_of_what_json_cannot_hold(self, text):
        value, [oddity] = parse_yaml(f"a: {text}".encode())
        assert value == {"a": None}
        assert oddity.pointer == "/a"

    def test_replaces_nul_characters(self):
        assert value_of(r'"a\0b"') == "a\ufffdb"


class TestOddities:
    def test_takes_the_last_of_two_equal_keys_and_says_where(self):
        text = "a:\n  - b: 1\n    b: 2"
        assert value_of(text) == {"a": [{"b": 2}]}
        assert messages_of(text) == [("/a/0/b", "the key is given twice; its last value was taken")]

    def test_ignores_foreign_tags(self):
        assert value_of("a: !secret b") == {"a": "b"}
        assert messages_of("a: !secret b") == [("/a", "the tag !secret was ignored")]

    def test_reads_the_first_of_several_documents(self):
        assert value_of("a: 1\n---\nb: 2") == {"a": 1}
        assert len(messages_of("a: 1\n---\nb: 2")) == 1

    def test_keeps_a_bounded_number_of_them(self):
        assert len(messages_of("a: 1\n" * 1000)) == yaml_reader.MAX_ODDITIES


class TestAliases:
    def test_stand_for_their_anchors(self):
        assert value_of("a: &x [1]\nb: *x\nc: {&k d: 2, e: *k}") == {
            "a": [1],
            "b": [1],
            "c": {"d": 2, "e": "d"},
        }

    def test_merges_mappings_under_what_is_written(self):
        text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall: {<<: [*b, *m], x: 9}"
        assert value_of(text)["all"] == {"x": 9, "y": 2, "z": 4}

    def test_keeps_a_quoted_or_pointless_merge_key(self):
        assert value_of('a: {"<<": {b: 1}}\nc: {<<: 2}') == {"a": {"<<": {"b": 1}}, "c": {"<<": 2}}

    def test_refuses_an_alias_inside_its_own_anchor(self):
        with pytest.raises(DocumentUnreadable, match="line 1, column 8"):
            parse_yaml(b"a: &a [*a]")

    def test_refuses_too_many(self):
        with pytest.raises(DocumentTooComplex, match="aliases"):
            parse_yaml(b"a: &a 1\nb: [" + b"*a, " * 101 + b"]")

    def test_refuses_a_billion_laughs(self):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 11)]
        with pytest.raises(DocumentTooComplex, match="multiply"):
            parse_yaml("\n".join(lines).encode())

    def test_refuses_a_depth_that_only_aliases_reach(self):
        half = "[" * 250, "]" * 250
        with pytest.raises(DocumentTooComplex, match="deeper"):
            parse_yaml(f"a: &a {half[0]}{half[1]}\nb: {half[0]}*a{half[1]}".encode())

    def test_counts_what_merges_copy(self, monkeypatch):
        monkeypatch.setattr(yaml_reader, "MAX_NODES", 500)
        base = ", ".join(f"k{n}: 1" for n in range(100))
        with pytest.raises(DocumentTooComplex, match="nodes"):
            parse_yaml((f"a: &a {{{base}}}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(10))).encode())


class TestRefusals:
    @pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[{a: ", "? "])
    def test_refuses_200_kilobytes_of_nesting(self, opening):
        with pytest.raises((DocumentTooComplex, DocumentUnreadable)):
            parse_yaml((opening * (200_000 // len(opening))).encode())

    def test_accepts_the_deepest_document_that_is_allowed(self):
        depth = MAX_DEPTH
        value = value_of("[" * depth + "]" * depth)
        for _ in range(depth - 1):
            [value] = value
        assert value == []
        with pytest.raises(DocumentTooComplex):
            value_of("[" * (depth + 1) + "]" * (depth + 1))

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            (b"a:\n\t- b", "line 2, column 1"),
            (b"a: [1, 2\n", "line 2, column 1"),
            (b"a: 1\nb: \x07", "line 2, column 4"),
            (b"a: 1\n? [x]\n: 2", "line 2, column 3"),
            (b"a: 1\nb: *nowhere", "line 2, column 4"),
        ],
    )
    def test_names_line_and_column(self, text, place):
        with pytest.raises(DocumentUnreadable, match=place) as caught:
            parse_yaml(text)
        assert f"line {caught.value.extra['line']}, column {caught.value.extra['column']}" == place

    @given(
        st.one_of(st.binary(max_size=200), st.text("[]{}:,-?&*<>|!%#'\" \nab1", max_size=200).map(str.encode))
    )
    def test_meets_every_text_with_a_value_or_a_typed_refusal(self, raw):
        with contextlib.suppress(DocumentUnreadable, DocumentTooComplex):
            parse_yaml(raw)

    def test_refuses_keys_that_are_given_twice_too_often(self, monkeypatch):
        monkeypatch.setattr(yaml_reader, "MAX_REPEATED_KEYS", 3)
        parse_yaml(b"a: 1\n" * 4)
        with pytest.raises(DocumentTooComplex, match="twice"):
            parse_yaml(b"a: 1\n" * 5)


class TestPlainYaml:
    @pytest.mark.parametrize(
        "text",
        [
            "a: [1, 1.5, .5, -3, +4, 0x1f, 0o17, 1e3, 010, true, False, ~, null, no, 2019-09-15, 18:00]",
            "200: a\n4XX: b\ndefault: c\n-5: d",
            "a: 12345678901234567890123\nb: -9223372036854776000",
            "a: &x {b: [1]}\nc: *x\nd: [*x, *x]",
            "a: |\n  one\n  two\nb: >-\n  three\n  four\nc: 'it''s'\nd: \"\\u00e4\\n\"",
            "a: !!str 5\nb: [1, 2, ]\nc: {d: 1, e: }",
        ],
    )
    def test_is_read_as_the_careful_reader_does(self, text):
        made = plain_yaml_as_json(text.encode())
        assert made is not None
        assert orjson.loads(made) == parse_yaml(text.encode())[0]

    @pytest.mark.parametrize(
        "text",
        [
            "a: 1\na: 2",
            "a: &x {b: 1}\nc: {<<: *x}",
            "x:\n  1.10: a",
            "x:\n  010: a",
            "x:\n  - +1: a",
            "x: {0x1f: a}",
            "x:\n  1_000: a",
            "x:\n  TRUE: a",
            "x:\n  ~: a",
            "a: .inf",
            "a: [.NaN]",
            'a: "\\0"',
            "--- {a: 1}\n--- {a: 2}",
            "[1]",
            "a: [",
            "? [a]\n: b",
            "a: " + "[" * 300 + "]" * 300,
            "a: " + "[" * 100_000,
            "a: 1e" + "9" * 400,
            "a: " + "9" * 4000,
            "\udcff",
        ],
    )
    def test_leaves_what_is_unusual_to_the_careful_reader(self, text):
        assert plain_yaml_as_json(text.encode("utf-8", "surrogateescape")) is None

    def test_leaves_aliases_that_multiply(self):
        lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
        lines += [f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]" for before, one in pairwise("abcdefgh")]
        assert plain_yaml_as_json("\n".join(lines).encode()) is None

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
            ),
        )
    )
    def test_agrees_with_the_careful_reader(self, value):
        raw = yaml.safe_dump({"a": value}).encode()  # escapes the line breaks that YAML 1.2 dropped
        made = plain_yaml_as_json(raw)
        if made is not None:
            assert orjson.loads(made) == parse_yaml(raw)[0]


class TestReadYaml:
    def test_brings_back_value_and_oddities(self):
        raw = "ä: [2019-09-15, 1.5]\nä: x".encode()
        found = read_yaml(raw)
        assert (found.text, found.oddities) == ('{"ä":"x"}'.encode(), parse_yaml(raw)[1])

    def test_brings_back_a_refusal_as_it_was_raised(self):
        with pytest.raises(DocumentUnreadable, match="line 1, column 4") as caught:
            read_yaml(b"a: *b")
        assert caught.value.extra == {"line": 1, "column": 4}
        with pytest.raises(DocumentTooComplex, match="400"):
            read_yaml(b"a: " + b"[" * 1000)

    def test_brings_back_what_is_deeper_than_orjson_writes(self):
        nested = b"[" * 300 + b"]" * 300
        assert read_yaml(nested).text == nested

    def test_tells_how_much_memory_the_child_took(self):
        assert read_yaml(b"a: 1").peak_bytes < 4 << 20 < read_yaml(b"- a\n" * 200_000).peak_bytes

    @pytest.mark.parametrize("line_break", [b"\n", b"\r"])
    def test_refuses_too_many_lines_without_a_child(self, monkeypatch, line_break):
        monkeypatch.setattr(yaml_process, "MAX_LINES", 3)
        monkeypatch.setattr(subprocess, "run", None)
        with pytest.raises(DocumentTooComplex, match="lines"):
            read_yaml(b"a:" + line_break * 4)

    def test_gives_the_child_time_by_the_size_of_the_document(self):
        assert 0.5 < yaml_child.cpu_seconds(1000) < yaml_child.cpu_seconds(3_000_000) < 1.6
        assert yaml_child.cpu_seconds(64_000_000) == 1.6

    def test_ends_a_child_that_takes_its_time(self):
        script = (
            "from app.openapi_sync import yaml_child\n"
            "yaml_child.LEAST_CPU_SECONDS = 0.01\n"
            "yaml_child.answer_to = lambda raw: [0 for _ in iter(int, 1)]\n"
            "yaml_child.main()"
        )
        child = subprocess.run(
            [sys.executable, "-c", script, "4"],
            input=b"a: 1",
            env={"PYTHONPATH": yaml_process._PACKAGE_ROOT},
            check=False,
        )
        assert child.returncode == -signal.SIGPROF

    def test_refuses_what_grows(self):
        with pytest.raises(DocumentTooComplex, match="CPU"):
            read_yaml(b'a: "' + rb"\a" * 9_000_000 + b'"')

    def test_hands_the_child_no_environment(self, monkeypatch):
        seen = {}
        run = subprocess.run

        def watch(*args, **kwargs):
            seen.update(kwargs["env"])
            return run(*args, **kwargs)

        monkeypatch.setenv("JACKFIELD_MASTER_KEY", "x")
        monkeypatch.setattr(subprocess, "run", watch)
        read_yaml(b"a: 1")
        assert set(seen) == {"PYTHONPATH"}

    @pytest.mark.parametrize("death", ["os.abort()", "os.kill(os.getpid(), signal.SIGSEGV)"])
    def test_survives_the_death_of_its_child(self, monkeypatch, death):
        run = subprocess.run
        dying = [sys.executable, "-c", f"import os, resource, signal; resource.setrlimit(4, (0, 0)); {death}"]
        monkeypatch.setattr(subprocess, "run", lambda _, **kwargs: run(dying, **kwargs))
        with pytest.raises(DocumentTooComplex, match="CPU"):
            read_yaml(b"a: 1")

    def test_stops_a_child_that_hangs(self, monkeypatch):
        run = subprocess.run
        hanging = [sys.executable, "-c", "import signal; signal.pause()"]
        monkeypatch.setattr(yaml_process, "MAX_SECONDS", 0.2)
        monkeypatch.setattr(subprocess, "run", lambda _, **kwargs: run(hanging, **kwargs))
        with pytest.raises(DocumentTooComplex):
            read_yaml(b"a: 1")

    def test_does_not_blame_the_document_for_a_broken_installation(self, monkeypatch):
        run = subprocess.run
        monkeypatch.setattr(
            subprocess, "run", lambda _, **kwargs: run([sys.executable, "-c", "1/0"], **kwargs)
        )
        with pytest.raises(subprocess.CalledProcessError):
            read_yaml(b"a: 1")

    def test_limits_the_childs_memory(self):
        script = (
            "from app.openapi_sync import yaml_child\n"
            "yaml_child.LEAST_MEMORY = 200 << 20\n"
            "yaml_child.answer_to = lambda raw: bytearray(400 << 20)\n"
            "yaml_child.main()"
        )
        child = subprocess.run(
            [sys.executable, "-c", script, "4"],
            input=b"a: 1",
            capture_output=True,
            env={"PYTHONPATH": os.pathsep.join(filter(None, [yaml_process._PACKAGE_ROOT]))},
            check=True,
        )
        assert b"document_too_complex" in child.stdout
