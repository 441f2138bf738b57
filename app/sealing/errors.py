from app.core.boot import Misconfigured
from app.core.errors import Unavailable


class MasterKeyMissing(Misconfigured):
    """The database holds sealed values, but there is no master key to open them with."""


class MasterKeyWrong(Misconfigured):
    """The master key does not open the keys in the database."""


class KeyUnavailable(Unavailable):
    """A key that is needed to open a value cannot be opened right now. Nothing was changed."""
