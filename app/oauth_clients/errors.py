"""What can be wrong with an OAuth client.

NotFound
└── RegistrationMissing
Conflict
└── RegistrationChangedMeanwhile
Unprocessable
└── ConnectorTakesNoClient
"""

from app.core.errors import Conflict, NotFound, Unprocessable


class RegistrationMissing(NotFound):
    """No OAuth client is kept for this connector."""


class RegistrationChangedMeanwhile(Conflict):
    """Somebody else changed the OAuth client at the same time. Look at it again."""


class ConnectorTakesNoClient(Unprocessable):
    """The connector has no way in that takes an OAuth client."""
