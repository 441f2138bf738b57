"""Values that are sent as text, as the type that their schema asks for.

In an address, a header or a form, ``10`` is a number and a text at once: which of them a caller gave makes no
difference to what is sent, so neither may it to what is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.executions.parameters import scalar
from app.openapi_sync.schema_translation import DEFINITION, Schema

MAX_STEPS = 64
"""Schemas that are looked at for one value: references and alternatives may lead in circles."""

_INSIDE = ("additionalProperties", "items")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a schema asks for, itself and by all that it says to be one of or all of."""

    types: frozenset[str]
    properties: Mapping[str, object]
    others: object
    """Of an object, apart from ``properties``."""
    items: object


class TypedText:
    def __init__(self, schema: Schema, definitions: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions = definitions
        self._wanted: dict[int, _Wanted] = {}

    def read(self, value: object) -> object:
        """``value``, or what its text says as a number, boolean or list where one of those is asked for."""
        return self._read(value, self._schema)

    def _read(self, value: object, schema: object) -> object:
        wanted = self._wanted.get(id(schema)) or self._want(schema)
        if isinstance(value, Mapping):
            return {
                name: self._read(one, wanted.properties.get(name, wanted.others))
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self._read(one, wanted.items) for one in value]
        if value is None or not wanted.types or _types_of(value) & wanted.types:
            return value
        if "array" in wanted.types:
            return [self._read(value, wanted.items)]
        return _as_one_of(wanted.types, value)

    def _want(self, schema: object) -> _Wanted:
        found = list(self._beside(schema))
        wanted = _Wanted(
            frozenset(one for each in found for one in _stated(each)),
            {name: one for each in found for name, one in each.get("properties", {}).items()},
            *(next((each[key] for each in found if key in each), None) for key in _INSIDE),
        )
        self._wanted[id(schema)] = wanted
        return wanted

    def _beside(self, schema: object) -> Iterator[Schema]:
        waiting = [schema]
        for _ in range(MAX_STEPS):
            if not waiting:
                return
            one = waiting.pop()
            if isinstance(one, dict):
                yield one
                if isinstance(reference := one.get("$ref"), str):
                    waiting.append(self._definitions.get(reference.removeprefix(DEFINITION)))
                for keyword in ("allOf", "anyOf", "oneOf"):
                    waiting += one.get(keyword, ())


def _as_one_of(types: frozenset[str], value: object) -> object:
    text = scalar(value)
    if "string" in types:
        return text
    if "boolean" in types and text in _TRUTH:
        return _TRUTH[text]
    number = _NUMBER.fullmatch(text)
    if number and types & {"integer", "number"}:
        return float(text) if number[1] else int(text)
    return value


def _types_of(value: object) -> set[str]:
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int | float):
        return {"integer", "number"}  # a fraction is none of the first, which is for the check to say
    return {"string"}


def _stated(schema: Schema) -> list[str]:
    stated = schema.get("type", [])
    return [stated] if isinstance(stated, str) else stated
