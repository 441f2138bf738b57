"""A tenant's record over the catalogue's: JSON Merge Patch (RFC 7396). Pure."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from app.connectors.definition import Connector
from app.connectors.errors import ConnectorNotValid
from app.core.errors import Fault
from app.core.strict_json import pointer

LONGEST_RECORD = 64 * 1024
"""Bytes of JSON. The largest of the catalogue has three thousand."""


def overlaid(slug: str, below: Connector | None, patch: Mapping[str, object]) -> Connector:
    """Raises ``ConnectorNotValid``, which points into ``record``."""
    base = {} if below is None else below.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    try:
        made = orjson.dumps(merged(base, {**patch, "slug": slug}))
    except orjson.JSONEncodeError:
        raise ConnectorNotValid("The record is nested too deeply.") from None
    if len(made) > LONGEST_RECORD:
        raise ConnectorNotValid(f"The record has more than {LONGEST_RECORD:,} bytes.")
    try:
        return Connector.model_validate_json(made)
    except ValidationError as error:
        faults = [
            Fault(pointer("record", *fault["loc"]), fault["msg"]) for fault in error.errors(include_url=False)
        ]
        raise ConnectorNotValid(errors=faults) from None


def merged(base: object, patch: object) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, Mapping):
        return patch
    made = dict(base) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made
