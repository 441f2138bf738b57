"""What credentials and secrets have in common on the wire: the key, and a value that is never repeated."""

from typing import Annotated, Final

from pydantic import PlainValidator, StringConstraints, WithJsonSchema

from app.core.secret import Secret

MAX_VALUE_BYTES: Final = 64 * 1024


def _plaintext(value: object) -> Secret:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= MAX_VALUE_BYTES:
        raise ValueError(f"Must be a text of 1 to {MAX_VALUE_BYTES} bytes in UTF-8.")
    return Secret(value)


SealedKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]

Plaintext = Annotated[
    Secret,
    PlainValidator(_plaintext),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_VALUE_BYTES,
            "description": f"At most {MAX_VALUE_BYTES} bytes in UTF-8.",
            "writeOnly": True,
        }
    ),
]
"""A value as the caller sent it. It leaves the schema as a ``Secret``, so that no repr or log can show it."""
