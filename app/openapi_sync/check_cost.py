"""What it may cost to hold a value against a schema, before it is done: a document can be made to multiply.

Two alternatives that both lead to the same two alternatives double with each step, and where a schema leads
to itself, with each level of the value. A validator walks them all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.openapi_sync.schema_translation import DEFINITION, Schema

MAX_STEPS = 200_000
"""Schemas that are held against values, all in all: some hundredths of a second."""
TAME = 1000
"""Schemas in all, with what they refer to: of so few no value of ``SMALL`` is too much."""
SMALL = 200

_BESIDE_EACH_OTHER = ("allOf", "anyOf", "oneOf")
_BESIDE = ("not", "if", "then", "else")
_OF_OBJECTS = ("additionalProperties", "unevaluatedProperties")
_OF_LISTS = ("items", "contains", "unevaluatedItems")


class CheckCost:
    def __init__(self, schema: Schema, definitions: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions = definitions
        try:
            self._is_tame = self._size(schema, {}) <= TAME
        except RecursionError:
            self._is_tame = False

    def is_bearable(self, value: object) -> bool:
        return (self._is_tame and is_small(value)) or self.steps(value) <= MAX_STEPS

    def steps(self, value: object) -> int:
        """Schemas that are held against ``value`` and what is in it; of too many, more than ``MAX_STEPS``."""
        try:
            return self._steps(self._schema, value, {})
        except RecursionError:
            return MAX_STEPS + 1

    def _size(self, schema: object, known: dict[int, int]) -> int:
        """Of the schema with all that it leads to, each as often as it is led to. Large where it leads to
        itself."""
        if not isinstance(schema, dict):
            return 0
        if id(schema) not in known:
            known[id(schema)] = TAME + 1
            inside = (self._size(one, known) for one in (*self._beside(schema), *_inside(schema)))
            known[id(schema)] = min(1 + sum(inside), TAME + 1)
        return known[id(schema)]

    def _steps(self, schema: object, value: object, known: dict[tuple[int, int], int]) -> int:
        if not isinstance(schema, dict):
            return 0
        pair = id(schema), id(value)
        if pair not in known:
            known[pair] = 0  # a schema that leads to itself at the same value is not followed again
            steps = sum(self._steps(one, value, known) for one in self._beside(schema))
            for one, item in _held_against(schema, value):
                steps += self._steps(one, item, known)
                if steps > MAX_STEPS or len(known) > MAX_STEPS:
                    break
            known[pair] = 1 + steps
        return known[pair]

    def _beside(self, schema: Schema) -> Iterator[object]:
        """The schemas that are held against the same value."""
        if isinstance(reference := schema.get("$ref"), str):
            yield self._definitions.get(reference.removeprefix(DEFINITION))
        for keyword in _BESIDE_EACH_OTHER:
            yield from schema.get(keyword, ())
        for keyword in _BESIDE:
            yield schema.get(keyword)
        yield from schema.get("dependentSchemas", {}).values()


def is_small(value: object) -> bool:
    """Whether it has at most ``SMALL`` values inside."""
    waiting, seen = [value], 0
    while waiting and seen <= SMALL:
        one = waiting.pop()
        inside = one.values() if isinstance(one, Mapping) else one if isinstance(one, list) else ()
        seen += 1 + len(inside)
        if seen <= SMALL:
            waiting += inside
    return seen <= SMALL


def _inside(schema: Schema) -> Iterator[object]:
    """The schemas for what is inside of a value."""
    for keyword in ("properties", "patternProperties"):
        yield from schema.get(keyword, {}).values()
    for keyword in (*_OF_OBJECTS, *_OF_LISTS, "propertyNames"):
        yield schema.get(keyword)
    yield from schema.get("prefixItems", ())


def _held_against(schema: Schema, value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = [*schema.get("patternProperties", {}).values(), *(schema.get(one) for one in _OF_OBJECTS)]
        for name, item in value.items():
            yield properties.get(name), item
            yield from ((one, item) for one in others)
    elif isinstance(value, list):
        first = schema.get("prefixItems", ())
        others = [schema.get(one) for one in _OF_LISTS]
        for index, item in enumerate(value):
            yield first[index] if index < len(first) else None, item
            yield from ((one, item) for one in others)
