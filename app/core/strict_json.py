"""Strict JSON (RFC 8259) for what callers send: one text has one meaning, and PostgreSQL can hold it.

``json.loads`` also takes UTF-16, a byte order mark, ``NaN``, ``1e400``, repeated keys (the last one wins, so
two readers disagree about one body) and the code points that neither UTF-8 nor ``text`` columns can hold.
Every refusal here is one of two:

    MalformedJson         400   the text is not JSON, or not JSON with one meaning
    UnacceptableJson      422   JSON with a value that cannot be stored; ``errors`` points at it

Neither ever quotes the text: it may hold a secret. Hostile text costs time in proportion to its length.
"""

import json
import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NoReturn

from app.core.errors import Fault, MalformedRequest, Unprocessable

MAX_DEPTH = 64
INT64 = range(-(2**63), 2**63)

_INT64_DIGITS = len(str(INT64.start))
"""The most characters an int64 is written with; a longer literal is refused without being converted."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string literal, or the rest of the text when it is not closed. Possessive, so it never backtracks."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""Brackets as signed bytes: one level down, one level up."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class MalformedJson(MalformedRequest):
    """The body is not valid JSON (RFC 8259) in UTF-8."""


class UnacceptableJson(Unprocessable):
    """The body is valid JSON, but a value in it cannot be stored."""


def loads(raw: bytes, *, max_depth: int = MAX_DEPTH) -> object:
    """The value of a JSON text: ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` or ``None``.

    Integers fit into 64 bits, floats are finite, strings and keys hold no NUL and no lone surrogate,
    no object repeats a key, and nothing is nested deeper than ``max_depth``.
    """
    text = _decode(raw)
    _refuse_depth(raw, max_depth)
    flaws: list[_Flaw] = []
    value = _parse(text, flaws)
    # Only an escape can spell a NUL or a lone surrogate: raw ones stop at the decoder and the parser.
    if flaws or "\\u" in text:
        _refuse_flaws(value)
    return value


def pointer(*tokens: str | int) -> str:
    """A JSON Pointer (RFC 6901): ``pointer("a/b", 0)`` is ``/a~1b/0``."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Stands in the parsed value for what must be refused, so that a walk can tell where it was."""

    message: str
    is_syntax: bool = False


def _decode(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(
            f"The body is not UTF-8: byte {error.start} is not part of a character."
        ) from None
    if text.startswith("\ufeff"):
        raise MalformedJson("The body begins with a byte order mark, which JSON does not allow.")
    return text


def _refuse_depth(raw: bytes, max_depth: int) -> None:
    """Measure before parsing: the parser is recursive."""
    if raw.count(b"[") + raw.count(b"{") <= max_depth:
        return
    brackets = _STRING.sub(b"", raw).translate(None, delete=_NOT_BRACKETS)
    depths = accumulate(array("b", brackets.translate(_STEPS)))
    if max(depths, default=0) > max_depth:
        raise MalformedJson(f"The body is nested deeper than {max_depth} levels.")


def _parse(text: str, flaws: list[_Flaw]) -> object:
    def flaw(message: str, *, is_syntax: bool = False) -> _Flaw:
        flaws.append(_Flaw(message, is_syntax))
        return flaws[-1]

    def integer(literal: str) -> int | _Flaw:
        # Python refuses to convert more than 4,300 digits, and needs quadratic time for fewer.
        if len(literal) > _INT64_DIGITS or (number := int(literal)) not in INT64:
            return flaw("The integer does not fit into 64 bits.")
        return number

    def real(literal: str) -> float | _Flaw:
        number = float(literal)
        return number if math.isfinite(number) else flaw("The number is too large for a double.")

    def members(pairs: list[tuple[str, object]]) -> dict[str, object] | _Flaw:
        value = dict(pairs)
        return value if len(value) == len(pairs) else flaw("The object repeats a key.", is_syntax=True)

    try:
        return json.loads(
            text,
            parse_int=integer,
            parse_float=real,
            parse_constant=_refuse_constant,
            object_pairs_hook=members,
        )
    except json.JSONDecodeError as error:
        # "from None": the exception carries the whole text.
        reason = error.msg.removesuffix(" at").removesuffix(" starting")
        raise MalformedJson(
            f"The body is not valid JSON at line {error.lineno}, column {error.colno}: {reason}."
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"The body holds {name}, which is not JSON.")


def _refuse_flaws(value: object) -> None:
    for tokens, leaf in _leaves(value):
        if isinstance(leaf, _Flaw):
            refuse = MalformedJson if leaf.is_syntax else UnacceptableJson
            raise refuse(errors=[Fault(pointer(*tokens), leaf.message)])
        if isinstance(leaf, str) and (found := _UNSTORABLE.search(leaf)):
            name = "NUL" if found[0] == "\0" else "a lone surrogate"
            raise UnacceptableJson(errors=[Fault(pointer(*tokens), f"The string holds {name}.")])


def _leaves(root: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every scalar with its path, in the order of the text; a key counts as a scalar of its object."""
    pending: list[tuple[tuple[str | int, ...], object]] = [((), root)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            for key in value:
                yield path, key
            pending.extend(((*path, key), value[key]) for key in reversed(value))
        elif isinstance(value, list):
            pending.extend(((*path, index), value[index]) for index in reversed(range(len(value))))
        else:
            yield path, value
