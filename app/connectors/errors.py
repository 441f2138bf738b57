"""What can be wrong with what is asked of the catalogue.

NotFound
└── ConnectorUnknown
Conflict
├── ConnectorChangedMeanwhile
└── TooManyConnectors
Unprocessable
└── ConnectorNotValid
"""

from app.core.errors import Conflict, NotFound, Unprocessable


class ConnectorUnknown(NotFound):
    """There is no connector of that name."""


class ConnectorChangedMeanwhile(Conflict):
    """Somebody else changed the connector at the same time. Look at it again."""


class TooManyConnectors(Conflict):
    """The tenant has as many connectors of its own as it may have."""


class ConnectorNotValid(Unprocessable):
    """The record, with what the catalogue has, is none of a connector."""
