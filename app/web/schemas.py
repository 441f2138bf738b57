"""What the JSON of every resource has in common: camelCase, UUIDs, timestamps in milliseconds."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from app.core.clock import to_wire

Timestamp = Annotated[
    datetime,
    PlainSerializer(to_wire, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00.000Z"]}),
]


def _is_written_out(value: object) -> object:
    """Pydantic would take a number, as text too, for the seconds or milliseconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)):
        return value
    raise ValueError("Must be an ISO 8601 timestamp with a time zone.")


Moment = Annotated[AwareDatetime, BeforeValidator(_is_written_out)]
"""A timestamp as callers write it."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


class Shown(BaseModel):
    """An answer, read from a row."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, from_attributes=True)


class Given(BaseModel):
    """A request. A field that is not known is refused: a typing error must not pass silently."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=False, extra="forbid", hide_input_in_errors=True
    )

    def given(self) -> dict[str, object]:
        """The fields that were sent, by attribute name; ``null`` was sent, too."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Definition(BaseModel):
    """What is kept as it was given: no coercion, no unknown field, no change once it is read."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    def stored(self) -> dict[str, object]:
        """As a column keeps it. Defaults are written out, so that a new default changes nothing old."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
