from app.core.errors import Forbidden


class TenantSuspended(Forbidden):
    """The tenant of this access token is suspended."""


class ScopeMissing(Forbidden):
    """The access token does not grant the scope that this needs."""


class TokenBoundElsewhere(Forbidden):
    """The access token is bound to one integration and does not reach beyond it."""


class OperatorsOnly(Forbidden):
    """Only an operator token may do this."""
