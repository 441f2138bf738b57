"""What keeps a signature from being checked.

SigningKeyUnavailable   503   the sender should try again
"""

from app.core.errors import Unavailable


class SigningKeyUnavailable(Unavailable):
    """The key that this request is signed with cannot be fetched right now. Try again."""
