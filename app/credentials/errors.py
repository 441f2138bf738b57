from app.core.errors import Conflict


class CredentialKeyTaken(Conflict):
    """The integration has a credential of that key already."""


class CredentialIsManaged(Conflict):
    """The OAuth service keeps this credential up to date: reconnect or disconnect its connection instead."""
