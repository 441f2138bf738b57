"""Whether and when a failed attempt is made again. Pure; chance and time are arguments."""

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from app.core.egress.errors import UpstreamMalformed, UpstreamUnreachable
from app.core.errors import UpstreamTimedOut

BASE_S = 1.0
CAP_S = 15 * 60.0
RETRY_AFTER_CAP_S = 60 * 60.0

_SERVER_ERRORS = range(500, 600)
_RETRYABLE_STATUSES = frozenset({408, 425, 429})
_IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d:\d\d GMT",
    re.ASCII,
)


def is_retryable(outcome: int | Exception) -> bool:
    """Whether another attempt may fare better: for 408, 425, 429 and 5xx, and when no answer came.

    A request that could not be built or that the egress policy refused will not do better.
    """
    if isinstance(outcome, int):
        return outcome in _RETRYABLE_STATUSES or outcome in _SERVER_ERRORS
    return isinstance(outcome, UpstreamTimedOut | UpstreamUnreachable | UpstreamMalformed)


def delay(attempt: int, retry_after: float | None, random: Callable[[], float]) -> float:
    """Seconds to wait after the attempt of this number, the first being 1.

    Exponential with full jitter: anything from nothing to the current bound, so that calls which failed
    together do not return together. `retry_after` is waited for first. `random` answers from 0 up to 1.
    """
    # 2.0 ** 1024 overflows; the cap is reached long before.
    bound = min(CAP_S, BASE_S * 2.0 ** min(attempt - 1, 32))
    return (retry_after or 0.0) + random() * bound


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds from `now` (Unix time) that a `Retry-After` header asks for (RFC 9110, section 10.2.3).

    At most an hour; nothing for a moment that has passed; None for neither seconds nor an IMF-fixdate.
    """
    text = (value or "").strip()
    if re.fullmatch(r"\d{1,20}", text, re.ASCII):
        return min(float(text), RETRY_AFTER_CAP_S)
    if not _IMF_FIXDATE.fullmatch(text):
        return None
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(moment - now, 0.0), RETRY_AFTER_CAP_S)
