"""Reads ``presets.toml``: adding a provider adds a table there, and nothing anywhere else.

A table that says something this reader does not know is an error, which the tests of the catalogue find.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from app.signatures.messages import parse_template
from app.signatures.presets import (
    Acknowledgement,
    Handshake,
    JwtRules,
    Parameter,
    Preset,
    SignedTimestamp,
    Signing,
)
from app.signatures.request import Source, parse_source

Table = Mapping[str, Any]
Values = Mapping[str, object]

_PLACEHOLDER = re.compile(r"\{param:(\w+)\}")


class UnknownScheme(ValueError):
    """No preset has that name."""


@cache
def schemes() -> Mapping[str, Preset]:
    """Every preset by name, in the order of the file, without what a handler would have to say."""
    return {name: preset_of(name) for name in _tables()}


def preset_of(name: str, values: Values | None = None) -> Preset:
    """The preset with a handler's parameters filled in. Raises ``UnknownScheme``.

    The parameters have to be those that the preset declares, which the schema of handlers sees to.
    """
    table = _tables().get(name)
    if table is None:
        raise UnknownScheme(name)
    parameters = {key: Parameter(**one) for key, one in table.get("parameters", {}).items()}
    defaults = {key: one.default for key, one in parameters.items() if one.default is not None}
    return _preset(name, table, parameters, {**defaults, **(values or {})})


@cache
def _tables() -> Mapping[str, Table]:
    text = files("app.signatures").joinpath("presets.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    return {name: _extended(table, raw) for name, table in raw.items()}


def _extended(table: Table, tables: Mapping[str, Table]) -> Table:
    """With what it shares with the one it is ``like``."""
    own = dict(table)
    like = own.pop("like", None)
    return own if like is None else {**_extended(tables[like], tables), **own}


def _preset(name: str, table: Table, parameters: Mapping[str, Parameter], values: Values) -> Preset:
    own = dict(table)
    for key, read in (("signature", _signing), ("jwt", _jwt)):
        own[key] = read(own[key], values) if key in own else None
    return Preset(
        name=name,
        signing=own.pop("signature"),
        parameters=parameters,
        values=values,
        hosts=_pattern(own.pop("hosts", None)),
        dedup=tuple(parse_template(template, values) for template in own.pop("dedup", ())),
        handshakes=tuple(_handshake(one, values) for one in own.pop("handshakes", ())),
        ack=Acknowledgement(**own.pop("ack")) if "ack" in own else None,
        **{key: value for key, value in own.items() if key != "parameters"},
    )


def _signing(table: Table, values: Values) -> Signing:
    own = dict(table)
    return Signing(
        sources=_sources(own.pop("in"), values),
        prefix=_filled(own.pop("prefix", ""), values) or "",
        messages=tuple(
            parse_template(template, values) for template in _several(own.pop("message", "{raw}"))
        ),
        timestamp=_timestamp(own.pop("timestamp"), values) if "timestamp" in own else None,
        ids=_sources(own.pop("id", ()), values),
        signed_headers=_source(own.pop("signed_headers", None)),
        body_digest=_source(own.pop("body_digest", None)),
        absent=_sources(own.pop("absent", ()), values),
        **own,
    )


def _timestamp(table: Table, values: Values) -> SignedTimestamp:
    own = dict(table)
    return SignedTimestamp(sources=_sources(own.pop("in"), values), **own)


def _jwt(table: Table, values: Values) -> JwtRules:
    own = dict(table)
    claims = {key: _filled(text, values) for key, text in own.pop("claims", {}).items()}
    return JwtRules(
        sources=_sources(own.pop("in"), values),
        algorithms=tuple(own.pop("algorithms")),
        jwks=_filled(own.pop("jwks", None), values),
        hosts=_pattern(own.pop("hosts", None)),
        issuer=_pattern(own.pop("issuer", None)),
        audience=_filled(own.pop("audience", None), values),
        claims={key: text for key, text in claims.items() if text is not None},
        **own,
    )


def _handshake(table: Table, values: Values) -> Handshake:
    own = dict(table)
    return Handshake(
        methods=tuple(own.pop("methods", ("POST",))),
        when={
            parse_source(place): _filled(text, values) or "" for place, text in own.pop("when", {}).items()
        },
        is_signed=own.pop("signed", False),
        verify_token=_source(own.pop("verify_token", None)),
        text=parse_template(own.pop("text"), values) if "text" in own else None,
        json=_templates(own.pop("json", None), values),
        headers={key: parse_template(text, values) for key, text in own.pop("headers", {}).items()},
        store=_source(own.pop("store", None)),
        confirm=_source(own.pop("confirm", None)),
        **own,
    )


def _templates(value: object, values: Values) -> object:
    """A JSON value of which the texts are templates."""
    if isinstance(value, str):
        return parse_template(value, values)
    if isinstance(value, dict):
        return {key: _templates(one, values) for key, one in value.items()}
    return value


def _several(value: str | Iterable[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value


def _sources(value: str | Iterable[str], values: Values) -> tuple[Source, ...]:
    return tuple(parse_source(_filled(text, values) or "") for text in _several(value))


def _source(text: str | None) -> Source | None:
    return None if text is None else parse_source(text)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return None if text is None else re.compile(text)


def _filled(text: str | None, values: Values) -> str | None:
    """The text with a handler's parameters in it; None when one of them was not given."""
    if text is None or any(name not in values for name in _PLACEHOLDER.findall(text)):
        return None
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)
