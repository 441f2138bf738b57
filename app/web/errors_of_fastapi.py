"""Every error of a FastAPI application as a problem document, those of its validation included."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.core.errors import AppError, Fault, NotFound, Unprocessable
from app.core.strict_json import MalformedJson, pointer
from app.web.errors import UnsupportedMediaType
from app.web.problem import render
from app.web.translation import translate

_REWORDED = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is unknown.",
    "uuid_parsing": "Input should be a valid UUID.",
    "union_tag_invalid": "The discriminator names none of the known kinds.",
}
"""Pydantic's messages that repeat the input, or that say too little beside a pointer."""
_FREE_TEXT = frozenset({"value_error", "assertion_error"})
"""Kinds of error whose message is whatever a validator raised."""


def install(app: FastAPI) -> None:
    """Answer every exception that ``app`` raises with a problem document."""
    for kind in (AppError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, render)


@translate.register
def _(exception: RequestValidationError) -> AppError:
    details: Sequence[Mapping[str, Any]] = exception.errors()
    if any(detail["loc"][0] == "path" for detail in details):
        # A malformed id answers exactly as an unknown one.
        return NotFound()
    if any(detail["type"] == "json_invalid" for detail in details):
        return MalformedJson()
    if isinstance(exception.body, bytes):
        # FastAPI leaves a body as bytes when its Content-Type is not JSON.
        return UnsupportedMediaType("The body must be JSON, with Content-Type: application/json.")
    return Unprocessable(errors=[_fault(detail, exception.body) for detail in details])


def _fault(detail: Mapping[str, Any], body: object) -> Fault:
    source, *tokens = detail["loc"]
    if source != "body":
        return Fault(pointer(source, *tokens), _message(detail))
    if not tokens and detail["type"] == "missing":
        return Fault("", "A JSON body is required.")
    return Fault(pointer(*_existing(tokens, detail["type"], body)), _message(detail))


def _existing(tokens: Sequence[str | int], kind: str, body: object) -> list[str | int]:
    """``tokens`` without the names of union branches that Pydantic weaves into a location."""
    kept: list[str | int] = []
    value = body
    for position, token in enumerate(tokens, start=1):
        match value:
            case dict() if token in value:
                value = value[token]
            case list() if isinstance(token, int) and token < len(value):
                value = value[token]
            case _ if not (kind == "missing" and position == len(tokens)):
                continue
        kept.append(token)
    return kept


def _message(detail: Mapping[str, Any]) -> str:
    kind = detail["type"]
    if kind in _REWORDED:
        return _REWORDED[kind]
    message: str = detail["msg"]
    if kind in _FREE_TEXT:
        message = message.partition(", ")[2]
        given = detail.get("input")
        if isinstance(given, str) and given and given in message:
            return "This value is not valid."
    return message.rstrip(".") + "."
