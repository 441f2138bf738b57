"""What a change of a handler is for those who call it as a tool. Pure.

A tool is there while its handler is enabled. A disabled integration takes all of its own out of the list at
once, and ``tools.list_updated`` alone says so.
"""

from collections.abc import Mapping

from app.models import EventType

METADATA = ("name", "summary", "target", "default_args")
"""What an agent is told of a handler is made of these."""
PERMISSIONS = ("methods", "verification", "rate_limit", "allowed_cidrs")
"""Who may call it, and how."""


def tool_events(before: Mapping[str, object], after: Mapping[str, object]) -> list[EventType]:
    """``before`` and ``after``: fields of the handler, ``enabled`` among them; none where it is not there."""
    was, is_there = bool(before.get("enabled")), bool(after.get("enabled"))
    if was != is_there:
        return [EventType.TOOL_CREATED if is_there else EventType.TOOL_REMOVED]
    if not is_there:
        return []
    kinds = (
        (EventType.TOOL_METADATA_UPDATED, METADATA),
        (EventType.TOOL_PERMISSION_CHANGED, PERMISSIONS),
    )
    return [type for type, fields in kinds if any(before.get(one) != after.get(one) for one in fields)]
