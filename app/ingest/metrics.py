"""What Prometheus sees of webhooks. Reasons are our own words, and a closed set of them."""

from functools import cache
from typing import Final

from prometheus_client import Counter

from app.core.errors import (
    AppError,
    MalformedRequest,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from app.core.tally import Tally
from app.executions.errors import AdmissionQueueFull
from app.ingest.errors import NotVerified
from app.limits.errors import AddressNotAllowed, QuotaExceeded, RateLimited
from app.signatures.verdict import Reason
from app.web.errors import HeadersTooLarge, MethodNotAllowed, RequestTimedOut, UriTooLong

OTHER: Final = "other"
REASONS: Final = frozenset(
    {
        *Reason,
        *(
            kind.code
            for kind in (
                AddressNotAllowed,
                AdmissionQueueFull,
                HeadersTooLarge,
                MalformedRequest,
                MethodNotAllowed,
                NotFound,
                QuotaExceeded,
                RateLimited,
                RequestTimedOut,
                TooLarge,
                Unauthenticated,
                Unavailable,
                Unprocessable,
                UriTooLong,
            )
        ),
        OTHER,
    }
)

_accepted = Tally(
    Counter("jackfield_webhooks_accepted_total", "Webhooks that were stored, each as an execution.")
)
_duplicate = Tally(
    Counter("jackfield_webhooks_duplicate_total", "Webhooks whose delivery was stored before.")
)
_refused = Counter("jackfield_webhooks_refused_total", "Webhooks that were not stored.", ("reason",))


def admitted(*, is_new: bool) -> None:
    """A webhook is committed, or its delivery was before."""
    if is_new:
        _accepted.count += 1
    else:
        _duplicate.count += 1


def refused(error: AppError) -> None:
    """What a sender was told. An error that names an execution is the upstream's: it was admitted first."""
    if "executionId" in error.extra:
        return
    reason = error.reason if isinstance(error, NotVerified) else error.code
    _refusals(reason if reason in REASONS else OTHER).count += 1


@cache
def _refusals(reason: str) -> Tally:
    return Tally(_refused.labels(reason))
