"""What a caller may say about a sync."""

from dataclasses import dataclass
from enum import StrEnum

from app.db.base import Json
from app.openapi_sync.selection import EVERYTHING, Criteria, Selection


class OnMissing(StrEnum):
    """What becomes of a handler whose operation the document no longer describes."""

    KEEP = "keep"
    """It is marked, and works on."""
    DISABLE = "disable"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class SyncOptions:
    selection: Selection = EVERYTHING
    on_missing: OnMissing = OnMissing.KEEP
    force: bool = False
    """Accept a document that lacks most operations of the last sync."""
    dry_run: bool = False
    """Plan, and write nothing."""

    def lasting(self) -> Json:
        """What decides, besides document and handlers, whether there is something to do."""
        return {
            "include": _criteria(self.selection.include),
            "exclude": _criteria(self.selection.exclude),
            "on_missing": self.on_missing,
        }


def _criteria(criteria: Criteria) -> Json:
    return {
        "tags": sorted(criteria.tags),
        "path_prefixes": sorted(criteria.path_prefixes),
        "methods": sorted(criteria.methods),
    }
