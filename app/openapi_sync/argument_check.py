"""Whether arguments are what their operation's schema allows, by JSON Schema 2020-12. Pure.

Documents are wrong about themselves: a keyword that is none, or whose value cannot be meant, is passed over,
and where nothing sensible is left, anything goes.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, ValidationError, ValidationErrorKind

from app.executions.rules import Finding
from app.openapi_sync.check_cost import CheckCost
from app.openapi_sync.schema_translation import Schema
from app.openapi_sync.tool_schemas import DIALECT, ArgumentSchemas
from app.openapi_sync.typed_text import TypedText

MOST_FINDINGS = 20
LONGEST_MESSAGE = 200
MOST_TOLD_STEPS = 5000
"""Saying what is wrong takes a thousand times as long as finding that something is."""
MAX_ROUNDS = 4
"""Of taking out what is wrong in a schema: what is left of it may be wrong too."""

_VALUE = "The value"
"""Stands in messages where the value would, which may be a secret."""
_SCHEMAS = Draft202012Validator({"$ref": DIALECT}, validate_formats=True, offline=True)
_PATTERNS = FancyRegexOptions(backtrack_limit=20_000, size_limit=1_000_000)
"""A document's pattern may be made to take for ever, and so may the text that it is held against."""


class ArgumentCheck:
    """Of one operation."""

    def __init__(self, schemas: ArgumentSchemas) -> None:
        self._is_form = schemas.is_form
        self._parameters = _Compiled(schemas.parameters)
        self._body = None if schemas.body is None else _Compiled(schemas.body)

    def __call__(self, placed: Mapping[str, Mapping[str, object]], body: object) -> list[Finding]:
        """What is wrong, with where it is: location and name, or ``body``, and the way from there.

        ``placed``: parameters by location and name. ``body``: None where there is none to be checked.
        """
        findings = self._parameters.findings(placed, is_text=True)
        if body is not None and self._body is not None:
            inside = self._body.findings(body, is_text=self._is_form)
            findings += [Finding(("body", *one.path), one.message) for one in inside]
        return findings[:MOST_FINDINGS]


class _Compiled:
    def __init__(self, schema: Schema) -> None:
        self._validator = _validator(schema)
        definitions = schema.get("$defs", {})
        self._cost = CheckCost(schema, definitions)
        self._text = TypedText(schema, definitions)

    def findings(self, value: object, *, is_text: bool) -> list[Finding]:
        if self._validator is None or not self._cost.is_bearable(value):
            return []
        if is_text:
            value = self._text.read(value)
        if self._validator.is_valid(value):
            return []
        if self._cost.steps(value) > MOST_TOLD_STEPS:
            return [Finding((), f"{_VALUE} is not what the operation takes.")]
        return list(islice(_findings(self._validator.iter_errors(value)), MOST_FINDINGS))


def _validator(schema: Schema) -> Draft202012Validator | None:
    for _ in range(MAX_ROUNDS):
        wrong = [error.instance_path for error in _SCHEMAS.iter_errors(schema)]
        if not wrong:
            break
        # From the end, so that what is taken out of a list moves nothing that is still to be found.
        for path in sorted(wrong, key=repr, reverse=True):
            _take_out(schema, path)
    try:
        return Draft202012Validator(
            schema, mask=_VALUE, validate_formats=False, offline=True, pattern_options=_PATTERNS
        )
    except ValueError:
        return None


def _take_out(schema: Any, path: list[str | int]) -> None:
    *way, last = path
    for step in way:
        schema = schema[step]
    del schema[last]


def _findings(errors: Iterable[ValidationError]) -> Iterator[Finding]:
    for error in errors:
        path = tuple(error.instance_path)
        match error.kind:
            case ValidationErrorKind.Required(name):
                yield Finding((*path, str(name)), "The value is required.")
            case ValidationErrorKind.AdditionalProperties(names):
                yield from (Finding((*path, name), "Nothing of this name is taken.") for name in names)
            case ValidationErrorKind.AnyOf(alternatives) if closest := _closest(alternatives, path):
                yield from _findings(closest)
            case ValidationErrorKind.BacktrackLimitExceeded() | ValidationErrorKind.RegexEngineFailure():
                pass
            case _:
                yield Finding(path, f"{error.message[:1].upper()}{error.message[1:LONGEST_MESSAGE]}.")


def _closest(
    alternatives: list[list[ValidationError]], path: tuple[str | int, ...]
) -> list[ValidationError] | None:
    """The errors of the one alternative that was meant: the only one that the value has the type of."""
    meant = [
        errors
        for errors in alternatives
        if not any(error.kind.name == "type" and tuple(error.instance_path) == path for error in errors)
    ]
    return meant[0] if len(meant) == 1 else None
