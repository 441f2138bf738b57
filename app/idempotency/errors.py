from app.core.errors import Conflict, MalformedRequest, Unprocessable


class IdempotencyKeyInUse(Conflict):
    """A request with this Idempotency-Key is still running."""


class IdempotencyKeyReused(Unprocessable):
    """This Idempotency-Key was used for another request."""


class IdempotencyKeyNotValid(MalformedRequest):
    """An Idempotency-Key is 1 to 255 printable ASCII characters."""
