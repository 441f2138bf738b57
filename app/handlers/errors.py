from app.core.errors import Conflict, Unprocessable


class HandlerNameTaken(Conflict):
    """The tenant has a handler of that name already."""


class TargetIsSynced(Conflict):
    """The target comes from the integration's OpenAPI document: it changes when that is synced."""


class CapabilityNotInstalled(Unprocessable):
    """No installed connector has that capability."""


class DefaultArgsNotValid(Unprocessable):
    """The default arguments are too large, or their timeout or retries are out of range."""
