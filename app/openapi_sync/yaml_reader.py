"""YAML 1.2 (core schema) into JSON types, straight from libyaml's events.

PyYAML's own loader is not used, for three reasons that were measured. Its composer recurses in C and takes
the process down at a depth of 100,000; its aliases let a few hundred bytes multiply into gigabytes for
whoever writes the result out; and its resolver speaks YAML 1.1, where ``2019-09-15`` is a date, ``18:00`` is
1080 and ``no`` is false. libyaml's *event* parser keeps its stack on the heap and survived all of that.
Building from its events is one pass with our own stack, several times as fast as ``CSafeLoader`` (0.25 s for
1.3 s on 3 MB), and every limit is checked before the memory is spent: without the one on depth,
``[`` times 200,000 costs libyaml minutes, because its scanner visits every open bracket at every token.

What differs from other readers:

- A key is its text: ``200:``, ``true:`` and ``null:`` are ``"200"``, ``"true"`` and ``"null"``.
- A key given twice keeps its last value, as in our JSON reader, and is an oddity.
- ``<<: *base`` is merged, as authors expect, although YAML 1.2 dropped it; what it copies counts as nodes.
- ``.inf``, ``.nan`` and numbers too large for a double have no JSON spelling: they become null, an oddity.
- Tags beyond the core schema are an oddity and otherwise ignored; a second document is too.

This module trusts its limits, not libyaml: ``yaml_process`` runs it where a crash costs nothing.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml
from yaml.reader import ReaderError

from app.openapi_sync.errors import MAX_DEPTH, DocumentTooComplex, unreadable
from app.openapi_sync.oddities import Oddity, join_pointer, quote

MAX_ALIASES = 100
MAX_NODES = 600_000
"""Scalars and containers, as written: those of a second. Larger descriptions, of which the largest known has
twice as many, are read by ``yaml_quick``, unless there is something odd about them."""
MAX_ALIASED_SIZE = 16 * 1024 * 1024
"""Characters (a node counts as 16) that aliases may add when they are written out."""
MAX_ODDITIES = 100

_NODE_SIZE = 16
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_MERGE = "<<"
_NUMERIC_STARTS = frozenset("-+.0123456789")
_PERHAPS_64_BITS = 24
"""Characters; any longer integer is beyond them, or padded with zeros beyond reason."""
_CORE_TAG = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset(_CORE_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq"))
_STRING_TAG = _CORE_TAG + "str"


def yaml_as_json(raw: bytes) -> bytes:
    """What ``parse_yaml`` finds, as ``{"value", "oddities"}``; orjson would stop at 254 levels."""
    value, oddities = parse_yaml(raw)
    told = [(oddity.pointer, oddity.message) for oddity in oddities]
    return msgspec.json.encode({"value": value, "oddities": told})


def parse_yaml(raw: bytes) -> tuple[object, tuple[Oddity, ...]]:
    """The first document of a UTF-8 YAML stream in JSON types, and what was odd about it.

    Raises ``DocumentUnreadable`` (syntax; with line and column) or ``DocumentTooComplex``.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(raw, Loader=yaml.CSafeLoader):
            if not builder.take(event):
                break
    except yaml.MarkedYAMLError as error:
        raise unreadable(error.problem or "not YAML", *_place_at(error.problem_mark)) from None
    except ReaderError as error:  # a byte or a character that no YAML may hold
        raise unreadable(error.reason, *_place_of(error.position, raw)) from None
    return builder.root, tuple(builder.oddities)


class _Open:
    """A mapping or a sequence whose end has not come yet."""

    __slots__ = ("anchor", "bases", "has_key", "height", "is_merge", "key", "size", "value")

    def __init__(self, value: dict[str, object] | list[object], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.size = _NODE_SIZE
        self.height = 1
        self.key = ""  # of a mapping: the last key read …
        self.has_key = False  # … which still waits for its value …
        self.is_merge = False  # … and is a bare ``<<``
        self.bases: list[dict[str, object]] = []

    @property
    def expects_key(self) -> bool:
        return not self.has_key and isinstance(self.value, dict)


class _Builder:
    """Takes events in order; afterwards ``root`` is the document."""

    def __init__(self) -> None:
        self.root: object = None
        self.oddities: list[Oddity] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[object, int, int]] = {}  # value, size, height
        self._nodes = 0
        self._aliases = 0
        self._aliased_size = 0
        self._documents = 0
        self._takers: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._start_document,
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open_mapping,
            yaml.SequenceStartEvent: self._open_sequence,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
        }

    def take(self, event: yaml.Event) -> bool:
        """Digest one event; False when the rest of the stream is of no interest."""
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)
        return self._documents <= 1

    def _start_document(self, _: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._note("only the first of several YAML documents was read")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count_nodes(1)
        text: str = event.value
        if "\0" in text:  # a legal escape, and nothing that PostgreSQL can store
            text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
            self._note("a NUL character was replaced")
        is_key = bool(self._stack) and self._stack[-1].expects_key
        value = text if is_key else self._value(text, event)
        size = _NODE_SIZE + len(text)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, size, 0)
        if is_key:
            self._take_key(text, is_merge=text == _MERGE and event.implicit[0])
        else:
            self._place(value, size, 0)

    def _value(self, text: str, event: yaml.ScalarEvent) -> object:
        """The text in its type: as its tag says or, when it has none and is not quoted, as it looks."""
        tag = event.tag
        if tag is None:
            return self._resolve(text) if event.implicit[0] else text
        self._check_tag(tag)
        return self._resolve(text) if tag in _CORE_TAGS and tag != _STRING_TAG else text

    def _resolve(self, text: str) -> object:
        """A plain scalar in the core schema (YAML 1.2.2, section 10.3.2), where JSON has a type for it."""
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if text[0] not in _NUMERIC_STARTS:
            return text
        if _INTEGER.match(text):
            number = _integer(text)
        elif _FLOAT.match(text):
            number = float(text)
        elif _NOT_FINITE.match(text):
            number = math.inf
        else:
            return text
        if not math.isfinite(number):
            self._note("a number that JSON cannot hold became null")
            return None
        return number

    def _open_mapping(self, event: yaml.MappingStartEvent) -> None:
        self._open(_Open({}, event.anchor), event)

    def _open_sequence(self, event: yaml.SequenceStartEvent) -> None:
        self._open(_Open([], event.anchor), event)

    def _open(self, opened: _Open, event: yaml.CollectionStartEvent) -> None:
        self._count_nodes(1)
        if len(self._stack) >= MAX_DEPTH:
            raise _too_deep()
        if self._stack and self._stack[-1].expects_key:
            raise unreadable("a key must be text", *_place_at(event.start_mark))
        if event.tag is not None:
            self._check_tag(event.tag)
        self._stack.append(opened)

    def _close(self, _: yaml.CollectionEndEvent) -> None:
        done = self._stack.pop()
        value = done.value
        if done.bases and isinstance(value, dict):
            value = self._merge(done.bases, value)
        if done.anchor is not None:
            self._anchors[done.anchor] = (value, done.size, done.height)
        self._place(value, done.size, done.height)

    def _alias(self, event: yaml.AliasEvent) -> None:
        """An alias is the value itself, not a copy; its size counts as if it had been written out."""
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise DocumentTooComplex(f"the YAML has more than {MAX_ALIASES} aliases")
        if event.anchor not in self._anchors:  # or it stands inside the very node that it names
            raise unreadable("the alias has no anchor before it", *_place_at(event.start_mark))
        value, size, height = self._anchors[event.anchor]
        self._aliased_size += size
        if self._aliased_size > MAX_ALIASED_SIZE:
            raise DocumentTooComplex("the YAML's aliases multiply beyond what is read")
        if len(self._stack) + height > MAX_DEPTH:
            raise _too_deep()
        if not (self._stack and self._stack[-1].expects_key):
            self._place(value, size, height)
        elif isinstance(value, str):
            self._take_key(value, is_merge=False)
        else:
            raise unreadable("a key must be text", *_place_at(event.start_mark))

    def _take_key(self, text: str, *, is_merge: bool) -> None:
        top = self._stack[-1]
        top.key, top.has_key, top.is_merge = text, True, is_merge
        top.size += len(text)
        if text in top.value:
            self._note("the key is given twice; its last value was taken")

    def _place(self, value: object, size: int, height: int) -> None:
        """Put a finished node where it belongs: under the waiting key, at the list's end, or at the root."""
        if not self._stack:
            self.root = value
            return
        top = self._stack[-1]
        top.size += size
        top.height = max(top.height, height + 1)
        if isinstance(top.value, list):
            top.value.append(value)
            return
        top.has_key = False
        bases = _mappings(value) if top.is_merge else None
        if bases is None:
            top.value[top.key] = value
        else:
            top.bases += bases

    def _merge(self, bases: list[dict[str, object]], own: dict[str, object]) -> dict[str, object]:
        """``own`` laid over its bases; of two bases the first wins (https://yaml.org/type/merge.html)."""
        merged: dict[str, object] = {}
        for base in reversed(bases):
            self._count_nodes(len(base))
            merged |= base
        return merged | own

    def _check_tag(self, tag: str) -> None:
        if tag not in _CORE_TAGS and tag != "!":
            self._note(f"the tag {quote(tag)} was ignored")

    def _count_nodes(self, count: int) -> None:
        self._nodes += count
        if self._nodes > MAX_NODES:
            raise DocumentTooComplex(f"the YAML has more than {MAX_NODES:,} nodes")

    def _note(self, message: str) -> None:
        if len(self.oddities) < MAX_ODDITIES:
            steps = (len(one.value) if isinstance(one.value, list) else one.key for one in self._stack)
            self.oddities.append(Oddity(join_pointer("", *steps), message))


def _mappings(value: object) -> list[dict[str, object]] | None:
    """What a ``<<`` merges: a mapping or a list of them. None: something else, under a key like any other."""
    bases = value if isinstance(value, list) else [value]
    mappings = [base for base in bases if isinstance(base, dict)]
    return mappings if len(mappings) == len(bases) else None


def _integer(text: str) -> int | float:
    """Beyond 64 bits a float, as orjson has it; ``int`` is never given thousands of digits."""
    is_decimal = text[1:2] not in {"o", "x"}
    if len(text) > _PERHAPS_64_BITS:
        return float(text) if is_decimal else math.inf
    number = int(text) if is_decimal else int(text, 0)
    return number if -(2**63) <= number < 2**64 else float(number)


def _place_at(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _place_of(position: int, raw: bytes) -> tuple[int, int]:
    """Line and column of the byte at ``position``."""
    before = raw[:position]
    return before.count(b"\n") + 1, position - before.rfind(b"\n")


def _too_deep() -> DocumentTooComplex:
    return DocumentTooComplex(f"the document is nested deeper than {MAX_DEPTH} levels")
