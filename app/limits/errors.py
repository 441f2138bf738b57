"""Why a webhook is refused though its sender may be who it should be.

AddressNotAllowed   403   alike for every handler that has an allow list
RateLimited         429   with Retry-After, RateLimit and RateLimit-Policy (IETF draft)
QuotaExceeded       429   with Retry-After: until the day is over
"""

from app.core.errors import Forbidden, TooManyRequests


class AddressNotAllowed(Forbidden):
    """Webhooks are not accepted from this address."""


class RateLimited(TooManyRequests):
    """Too many webhooks; send it again after the seconds that Retry-After names."""


class QuotaExceeded(TooManyRequests):
    """The tenant has used up what it may execute today; send it again when the next day (UTC) has begun."""
