"""Why a webhook is refused, and why a refused one cannot be let in.

Unauthenticated
└── NotVerified          says nothing to the sender; its ``reason`` is kept for the tenant to see
Conflict
├── AlreadyReleased
├── NotReleasable
└── StillRefused
"""

from app.core.errors import Conflict, Unauthenticated
from app.signatures.verdict import Reason


class NotVerified(Unauthenticated):
    """The request could not be verified."""

    def __init__(self, reason: Reason) -> None:
        super().__init__()
        self.reason = reason


class AlreadyReleased(Conflict):
    """The request was released before."""


class NotReleasable(Conflict):
    """The request was not kept whole, or its handler takes no requests."""


class StillRefused(Conflict):
    """The handler's verification refuses the request as it did when it came."""
