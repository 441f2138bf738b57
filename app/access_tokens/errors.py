from app.core.errors import Unprocessable


class ScopeNotKnown(Unprocessable):
    """A scope is not one that an access token can hold."""


class ScopeNotHeld(Unprocessable):
    """An access token cannot grant more than the one that makes it holds."""


class ExpiryNotValid(Unprocessable):
    """An access token expires in the future, within 366 days."""
