"""Parameters as an OpenAPI document wants them written (3.1.1, section 4.8.12.4; RFC 6570, section 3.2).

`None` inside a list or object is written as nothing, a list or object inside another as JSON, except in
`deepObject`, which nests: the specification leaves these open.
"""

from collections.abc import Callable, Mapping
from itertools import chain

import orjson

from app.core.url_path import quote_value
from app.executions.errors import ArgumentInvalid
from app.handlers.targets import Parameter, is_form, is_json

Text = str | list[str] | dict[str, str]
"""A value with each scalar in it written and encoded."""

_FORM = "application/x-www-form-urlencoded"
_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


def serialize(parameter: Parameter, value: object) -> str:
    """What stands for the parameter in a path, in a query or cookie (`name=value`), or as a header's value.

    The value is of a bounded depth: see ``app.handlers.bounds``.
    """
    encode: Callable[[str], str] = str if parameter.location == "header" else quote_value
    name, explode = encode(parameter.name), parameter.explode
    if parameter.content_type is not None or parameter.location == "querystring":
        return _in_content(parameter, parameter.content_type or _FORM, value, encode)
    if parameter.style == "deepObject":
        return "&".join(_deep(name, value))
    text = _written(value, encode)
    match parameter.style:
        case "simple":
            return ",".join(_members(text, explode=explode))
        case "label":
            return "." + ("." if explode else ",").join(_members(text, explode=explode))
        case "matrix":
            return _matrix(name, text, explode=explode)
        case "form" | "spaceDelimited" | "pipeDelimited":
            return _form(name, text, separator=_SEPARATORS[parameter.style], explode=explode)


def _in_content(parameter: Parameter, content_type: str, value: object, encode: Callable[[str], str]) -> str:
    """A value that is a document of its own. ``querystring`` is all of the query, without a name."""
    if is_form(content_type) and isinstance(value, Mapping):
        text = form(value) if parameter.location == "querystring" else encode(form(value))
    elif is_json(content_type):
        text = encode(json_text(value).decode())
    else:
        text = encode(scalar(value))
    return f"{encode(parameter.name)}={text}" if parameter.location in {"query", "cookie"} else text


def form(value: Mapping[str, object]) -> str:
    """`application/x-www-form-urlencoded`: lists repeat their name, what is deeper is JSON."""
    fields = (_form(quote_value(name), _field(item), explode=True) for name, item in value.items())
    return "&".join(filter(None, fields))


def json_text(value: object) -> bytes:
    """ArgumentInvalid for what is nested deeper than JSON is written here."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ArgumentInvalid("The arguments cannot be written as JSON.") from error


def _matrix(name: str, value: Text, *, explode: bool) -> str:
    if explode and isinstance(value, dict):
        return "".join(f";{key}={item}" for key, item in value.items())
    if explode and isinstance(value, list):
        return "".join(f";{name}={item}" for item in value)
    text = ",".join(_members(value, explode=False))
    return f";{name}={text}" if text else f";{name}"


def _form(name: str, value: Text, *, separator: str = ",", explode: bool) -> str:
    """Nothing for an empty list or object, which is no parameter at all."""
    if explode and isinstance(value, dict):
        return "&".join(f"{key}={item}" for key, item in value.items())
    if explode and isinstance(value, list):
        return "&".join(f"{name}={item}" for item in value)
    members = _members(value, explode=False)
    return f"{name}={separator.join(members)}" if members else ""


def _members(value: Text, *, explode: bool) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return value
    return [f"{key}={item}" for key, item in value.items()] if explode else [*chain(*value.items())]


def _deep(name: str, value: object) -> list[str]:
    if isinstance(value, Mapping):
        below = [(f"{name}%5B{quote_value(key)}%5D", item) for key, item in value.items()]
    elif isinstance(value, list):
        below = [(f"{name}%5B{index}%5D", item) for index, item in enumerate(value)]
    else:
        return [f"{name}={quote_value(scalar(value))}"]
    return [pair for path, item in below for pair in _deep(path, item)]


def _written(value: object, encode: Callable[[str], str]) -> Text:
    if isinstance(value, Mapping):
        return {encode(key): encode(scalar(item)) for key, item in value.items()}
    if isinstance(value, list):
        return [encode(scalar(item)) for item in value]
    return encode(scalar(value))


def _field(value: object) -> Text:
    return quote_value(scalar(value)) if isinstance(value, Mapping) else _written(value, quote_value)


def scalar(value: object) -> str:
    """Text as it is, nothing for null, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value).decode()
