"""Conditional requests (RFC 9110, section 13) on resources that carry a version."""

from typing import Annotated, TypeVar

from fastapi import Depends, Header, Response

from app.db.base import Versioned
from app.db.precondition import Precondition

V = TypeVar("V", bound=Versioned)


def get_precondition(if_match: Annotated[str | None, Header(max_length=2048)] = None) -> Precondition:
    return Precondition(if_match)


IfMatch = Annotated[Precondition, Depends(get_precondition)]


def tagged(row: V, response: Response) -> V:
    """The row, with its ``ETag`` on the answer."""
    response.headers["ETag"] = row.etag
    return row


def created(row: V, response: Response, location: str) -> V:
    """The new row, with its ``ETag`` and ``Location`` on the answer."""
    response.headers["Location"] = location
    return tagged(row, response)
