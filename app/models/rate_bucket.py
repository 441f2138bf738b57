from datetime import datetime

from sqlalchemy.orm import Mapped

from app.db.base import TenantScoped


class RateBucket(TenantScoped):
    """The token bucket of a handler or a tenant, by its id, which all processes lease from.

    Unlogged: a lease costs no flush of the write-ahead log, and a crash of PostgreSQL empties the table,
    which fills every bucket. A row whose ``full_at`` has passed says as much as none.
    """

    __tablename__ = "rate_buckets"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    full_at: Mapped[datetime]
    """When the bucket will be full again: all of its state (the "theoretical arrival time" of GCRA)."""
    granted: Mapped[int]
    """What the last lease got: before PostgreSQL 18, RETURNING shows the new row only."""
