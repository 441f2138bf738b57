"""What a caller may say about a sync."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from app.db.base import Json
from app.openapi_sync.selection import EVERYTHING, Criteria, Selection


class OnMissing(StrEnum):
    """What becomes of a handler whose operation the document no longer describes."""

    KEEP = "keep"
    """It is marked, and works on."""
    DISABLE = "disable"
    DELETE = "delete"


class Apply(StrEnum):
    """How far a sync that nobody watches goes by itself."""

    ADDITIVE = "additive"
    """All but what may break callers."""
    ALL = "all"
    NONE = "none"
    """It only looks, and tells."""


@dataclass(frozen=True, slots=True)
class Holding:
    apply: Apply
    baselines: Mapping[UUID, UUID]
    """By id of each handler that is held, the document that it last agreed with."""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    selection: Selection = EVERYTHING
    on_missing: OnMissing = OnMissing.KEEP
    force: bool = False
    """Accept a document that lacks most operations of the last sync."""
    dry_run: bool = False
    """Plan, and write nothing."""
    holding: Holding | None = None
    """What a sync that nobody watches leaves to a person."""

    def lasting(self) -> Json:
        """What decides, besides document and handlers, whether there is something to do."""
        return {
            "include": _criteria(self.selection.include),
            "exclude": _criteria(self.selection.exclude),
            "on_missing": self.on_missing,
            **self._held(),
        }

    def remembering(self, baselines: Mapping[UUID, UUID]) -> "SyncOptions":
        """What the next sync is asked with, after one that held the handlers of ``baselines``."""
        if self.holding is None:
            return self
        return replace(self, holding=replace(self.holding, baselines=baselines))

    def _held(self) -> Json:
        """Nothing for a sync that leaves nothing: whoever asked for that would find the same."""
        if self.holding is None or self.holding.apply is not Apply.ADDITIVE or not self.holding.baselines:
            return {}
        return {"held": sorted(str(id) for id in self.holding.baselines)}


def _criteria(criteria: Criteria) -> Json:
    return {
        "tags": sorted(criteria.tags),
        "path_prefixes": sorted(criteria.path_prefixes),
        "methods": sorted(criteria.methods),
    }
