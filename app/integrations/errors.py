from app.core.errors import Conflict


class IntegrationNameTaken(Conflict):
    """An integration of that name exists already; names are compared without regard to case."""
