from app.core.errors import Conflict


class SecretKeyTaken(Conflict):
    """The integration has a secret of that key already."""
