"""Conditional changes (RFC 9110, section 13) of rows that carry a version."""

from app.core.errors import PreconditionFailed
from app.db.base import Versioned


class Precondition:
    """What ``If-Match`` demands: one of some versions, any version, or nothing when it was not sent."""

    def __init__(self, if_match: str | None = None) -> None:
        self._tags = None if if_match is None else {tag.strip() for tag in if_match.split(",")}

    def check(self, row: Versioned) -> None:
        """Raises ``PreconditionFailed``. A weak tag never matches (RFC 9110, section 13.1.1)."""
        if self._tags is not None and not self._tags & {"*", row.etag}:
            raise PreconditionFailed(headers={"ETag": row.etag})

    def check_absent(self) -> None:
        """Of what is not there no version is the right one. Raises ``PreconditionFailed``."""
        if self._tags is not None:
            raise PreconditionFailed
