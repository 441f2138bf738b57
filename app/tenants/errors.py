from app.core.errors import Conflict


class TenantSlugTaken(Conflict):
    """A tenant of that slug exists already."""
