"""Bodies of providers, and values in them by path."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson

MAX_FIELDS = 100

_JSONP = re.compile(rb"[\w.$]{1,64}\((.*)\)\s*;?", re.DOTALL)


def decoded(body: bytes) -> object:
    """JSON whatever it claims to be, JSON in a call of a function, or a form; None of anything else."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    wrapped = _JSONP.fullmatch(text)
    for candidate in (text, wrapped[1] if wrapped else b""):
        try:
            return orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
    if b"=" in text and b"<" not in text and b"{" not in text:
        return dict(parse_qsl(text.decode(errors="replace"), max_num_fields=MAX_FIELDS))
    return None


def dig(value: object, path: str) -> object:
    """What is at ``a.b.0``; None where nothing is."""
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
