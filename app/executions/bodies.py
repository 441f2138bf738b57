"""Bodies as JSON shows them. Pure."""

import base64

import orjson
from pydantic import BaseModel

from app.handlers.targets import is_json


class Body(BaseModel):
    """Text as it is; anything else in base64, and ``encoding`` says so."""

    encoding: str
    data: str

    @classmethod
    def of(cls, raw: bytes) -> "Body":
        try:
            return cls(encoding="utf-8", data=raw.decode())
        except UnicodeDecodeError:
            return cls(encoding="base64", data=base64.b64encode(raw).decode())


def parsed(raw: bytes, content_type: str) -> object:
    """JSON as its value, text as text, nothing as null, anything else in base64."""
    if not raw:
        return None
    if is_json(content_type):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    return Body.of(raw).data
