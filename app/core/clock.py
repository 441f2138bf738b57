"""Time as the wire shows it."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def to_wire(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``: ``2026-01-01T00:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
