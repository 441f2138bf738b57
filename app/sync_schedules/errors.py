"""What is refused of a schedule, and what a run of it may end with besides the errors of a sync.

Conflict                      409
└── SyncScheduleDisabled
Unavailable                   503
└── SyncTookTooLong
"""

from app.core.errors import Conflict, Unavailable


class SyncScheduleDisabled(Conflict):
    """The schedule is disabled: enable it, or sync without it."""


class SyncTookTooLong(Unavailable):
    """The document was not fetched, read and compared within the time that a run has."""


class ClaimLost(Exception):
    """Somebody else has the run now, or a person has decided otherwise meanwhile: nothing may be written."""
