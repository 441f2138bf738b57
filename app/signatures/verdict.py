"""What verification comes to: accepted, or refused for one of six reasons."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    MISSING_HEADER = "missing_header"
    """A header or field that the signature needs was not sent."""
    MALFORMED = "malformed"
    """A header was sent twice, is too large, or is not of the scheme's form."""
    BAD_ENCODING = "bad_encoding"
    """The signature is not valid hex or base64."""
    NO_SECRET = "no_secret"
    """The handler has no secret that this scheme could use as a key."""
    MISMATCH = "mismatch"
    """The signature belongs to another body, address, moment or secret."""
    STALE = "stale"
    """The signature is right, but was made too long ago, or in the future."""


@dataclass(frozen=True, slots=True)
class Verdict:
    ok: bool
    reason: Reason | None = None


@dataclass(slots=True, kw_only=True)
class Match:
    """What was right about a request. ``secret``: position of the one that signed it, None if none was
    needed; ``signed_at``: Unix time, None where the scheme signs no time."""

    secret: int | None = None
    signed_at: float | None = None


class Refused(Exception):
    """Inside the package only. ``what`` tells the tenant in one sentence, without a secret or a signature."""

    def __init__(self, reason: Reason, what: str) -> None:
        self.reason = reason
        self.what = what
        super().__init__(what)
