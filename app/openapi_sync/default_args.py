"""``defaultArgs`` of a synced handler: the defaults that schemas state, under what a person made of them."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import orjson

from app.handlers.bounds import excess
from app.openapi_sync.oddities import Notes, Place, quote
from app.openapi_sync.operation import Operation, Parameter, RequestBody

EXECUTION_ARGUMENTS = frozenset({"timeout", "retries"})
"""They drive the execution, unless a parameter has their name; a body's property does not count as one."""

FIRST_WITH_EXPONENT = 1e16
"""From here on a float is written with an exponent, and is a whole number."""

_ABSENT = object()


def default_args(
    parameters: Sequence[Parameter], body: RequestBody | None, place: Place, notes: Notes
) -> dict[str, object]:
    """Arguments by name. A name that stands in two places is left out: one argument could not say which."""
    stated = _stated(parameters, body)
    if not stated:
        return {}
    places = Counter(parameter.name for parameter in parameters)
    if body:
        places.update(body.properties)
    filled: dict[str, object] = {}
    for name, value in stated:
        if places[name] > 1:
            continue
        if problem := _problem(value):
            notes.add(place, f"the default of {quote(name)} was left out: it {problem}")
        else:
            filled[name] = value
    if problem := excess(filled):
        notes.add(place, f"all defaults were left out: together, their value {problem}")
        return {}
    stored: dict[str, object] = json.loads(orjson.dumps(filled), parse_float=_stored_number)
    return stored


def merge_default_args(
    current: Mapping[str, object],
    *,
    baseline: Mapping[str, object],
    stated: Mapping[str, object],
    orphaned: Collection[str],
) -> dict[str, object]:
    """``current`` brought from the last sync's defaults (``baseline``) to this one's (``stated``).

    What differs from the baseline, also by its absence, is a person's and stays; what is orphaned stays too.
    """
    merged = dict(current)
    for name in {**baseline, **stated}:
        is_edited = current.get(name, _ABSENT) != baseline.get(name, _ABSENT)
        if is_edited or name in orphaned:
            continue
        if name in stated:
            merged[name] = stated[name]
        else:
            merged.pop(name, None)
    return merged


def orphaned_args(
    current: Mapping[str, object], *, known_before: Collection[str], operation: Operation
) -> list[str]:
    """The arguments that an earlier version of the operation took and this one does not."""
    names = operation.argument_names | EXECUTION_ARGUMENTS
    return sorted(name for name in current if name in known_before and name not in names)


def _stated(parameters: Sequence[Parameter], body: RequestBody | None) -> list[tuple[str, object]]:
    """Names and values; null says no more than absence does."""
    stated = [(one.name, one.schema_default) for one in parameters if one.schema_default is not None]
    if body and body.defaults:
        of_body = ((name, one) for name, one in body.defaults.items() if name not in EXECUTION_ARGUMENTS)
        stated += [(name, one) for name, one in of_body if one is not None]
    return stated


def _stored_number(text: str) -> int | float:
    """JSONB keeps decimals: 1e23 comes back as that integer, which the nearest float does not equal."""
    number = float(text)
    return int(Decimal(text)) if abs(number) >= FIRST_WITH_EXPONENT else number


def _problem(value: object) -> str | None:
    """Why a default is of no use. One that looks like a template could ask for the tenant's secrets."""
    if isinstance(value, bool | int | float):
        return None
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return "is nested too deeply"
    return "looks like a template" if b"{{" in text else None
