"""What can be wrong with what is asked of the catalogue.

NotFound
└── ConnectorUnknown
"""

from app.core.errors import NotFound


class ConnectorUnknown(NotFound):
    """There is no connector of that name."""
