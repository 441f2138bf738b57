"""Why a replay is not started or not cancelled.

Conflict
├── ReplayEnded
└── TooManyReplays
"""

from app.core.errors import Conflict


class ReplayEnded(Conflict):
    """The replay has finished or was cancelled already."""


class TooManyReplays(Conflict):
    """Ten replays are running already: wait for one to finish, or cancel it."""
