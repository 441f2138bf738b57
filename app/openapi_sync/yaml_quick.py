"""YAML that holds nothing unusual, several times as fast as ``yaml_reader`` reads it.

Most descriptions are plain: unique keys, no merges, numbers that JSON can hold. Those go through yaml-rs,
which bounds depth and aliases itself; about all others, and about all that is wrong, nothing is decided here.
What it does differently: ``1_000`` and ``0b1`` are numbers, as in YAML 1.1, and a block of text that ends
where the document does gets a line break.
"""

import math
import re
from typing import Any

import orjson
from yaml_rs import AliasLimits, DuplicateKeyPolicy, YAMLDecodeError, load

MAX_REPLAYED = 100_000
"""Events that aliases may repeat."""

_LOSSY_KEY = re.compile(
    rb"[\n{,][ -]*(?:\+[0-9]|0[0-9box]|[0-9]+_|True|TRUE|False|FALSE|Null|NULL|~)[^\s:,{}]*[ ]*:"
)
"""One that is no longer its text after it was taken for a whole number, a boolean or null."""
_MERGE = "<<"
_BEYOND_64_BITS = 2**63


def plain_yaml_as_json(raw: bytes) -> bytes | None:
    """None for what ``yaml_reader`` should read instead, because it knows more or explains better."""
    try:
        value = load(
            raw,
            parse_datetime=False,
            alias_limits=AliasLimits(max_total_replayed_events=MAX_REPLAYED),
            duplicate_key_policy=DuplicateKeyPolicy.Error,
        )
        if not isinstance(value, dict) or not _is_plain(value, raw):
            return None
        made = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except (UnicodeDecodeError, YAMLDecodeError, OverflowError, orjson.JSONEncodeError):
        return None
    return None if rb"\u0000" in made else made


def _is_plain(value: dict[Any, Any], raw: bytes) -> bool:
    """Whether all is as ``yaml_reader`` would have it; integers beyond 64 bits are made so."""
    waiting: list[Any] = [value]
    has_other_keys = False
    while waiting:
        node = waiting.pop()
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            if type(item) is dict or type(item) is list:
                waiting.append(item)
            elif type(item) is int and not -_BEYOND_64_BITS <= item < 2 * _BEYOND_64_BITS:
                node[key] = float(item)
            elif type(item) is float and not math.isfinite(item):
                return False
            if type(node) is dict and type(key) is not str:
                has_other_keys = True
                if type(key) is float:
                    return False
        if type(node) is dict and _MERGE in node:
            return False
    return not (has_other_keys and _LOSSY_KEY.search(raw))
