"""What a sync that nobody watches leaves to a person: changes that may break callers. Pure.

A difference is one between two documents, and the newer of them becomes the last one that was synced. So who
only ever compared with that would see a difference once, and apply it with the next. What is held keeps the
document that its handler last agreed with, and is compared with that one until both agree again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.openapi_sync.changes import Action, HandlerChange
from app.openapi_sync.differences import Difference, Kind
from app.openapi_sync.identity import ExistingHandler
from app.openapi_sync.options import Apply, Holding
from app.openapi_sync.plan import Plan, lacks_too_many


@dataclass(frozen=True, slots=True)
class Held:
    """A change that waits for a person."""

    action: Action
    handler: ExistingHandler | None
    """None of one that would be created."""
    name: str
    method: str
    path: str
    differences: tuple[Difference, ...] | None
    """None where the document that the handler last agreed with is not kept any more: as they were told."""
    baseline: UUID | None


@dataclass(frozen=True, slots=True)
class Verdict:
    changes: tuple[HandlerChange, ...]
    """To be written."""
    held: tuple[Held, ...] = ()
    is_whole: bool = False
    """Whether nothing at all is to be written."""


def judge(
    plan: Plan,
    changes: Sequence[HandlerChange],
    holding: Holding | None,
    since: Mapping[UUID, Sequence[Difference]],
    latest: UUID | None,
) -> Verdict:
    """``since``: what differs from each older document that was to be compared with; ``latest``: the one that
    handlers agree with which are not held."""
    if holding is None:
        return Verdict(tuple(changes))
    register = _Register(holding, since, latest)
    existing = (*plan.unchanged, *(one.handler for one in plan.update), *plan.missing, *plan.still_missing)
    is_whole = holding.apply is Apply.NONE or lacks_too_many(plan.missing, existing)
    unwritten = [one for one in plan.unchanged if one.id in plan.covered and register.is_told(one)]
    stays = [change for change in changes if is_whole or register.stays(change)]
    held = (*map(register.hold, stays), *map(register.hold_unwritten, unwritten))
    left = {id(change) for change in stays}
    return Verdict(tuple(change for change in changes if id(change) not in left), held, is_whole)


class _Register:
    """The differences, by handler."""

    def __init__(
        self, holding: Holding, since: Mapping[UUID, Sequence[Difference]], latest: UUID | None
    ) -> None:
        self._holding = holding
        self._latest = latest
        self._since = {id: _by_operation(found) for id, found in since.items()}

    def stays(self, change: HandlerChange) -> bool:
        """Whether a change is not to be written."""
        if self._holding.apply is Apply.ALL or change.handler is None:
            return False
        return change.action in {Action.MARK_MISSING, Action.DELETE} or self._is_broken(change.handler)

    def is_told(self, handler: ExistingHandler) -> bool:
        """Of a handler of which nothing would be written: what its callers may send is not in its row."""
        if self._holding.apply is Apply.NONE:
            return self._of(handler) != ()
        return self._holding.apply is Apply.ADDITIVE and self._is_broken(handler)

    def hold(self, change: HandlerChange) -> Held:
        handler = change.handler
        return Held(
            change.action,
            handler,
            change.name,
            change.method,
            change.path,
            self._of(handler) if handler else (),
            self._baseline(handler) if handler else None,
        )

    def hold_unwritten(self, handler: ExistingHandler) -> Held:
        found, baseline = self._of(handler), self._baseline(handler)
        return Held(Action.UPDATE, handler, handler.name, handler.method, handler.path, found, baseline)

    def _is_broken(self, handler: ExistingHandler) -> bool:
        found = self._of(handler)
        return found is None or any(one.is_breaking for one in found)

    def _of(self, handler: ExistingHandler) -> tuple[Difference, ...] | None:
        baseline = self._baseline(handler)
        if baseline is None:
            return ()
        if baseline not in self._since:
            return None
        return tuple(self._since[baseline].get((handler.method, handler.path), ()))

    def _baseline(self, handler: ExistingHandler) -> UUID | None:
        return self._holding.baselines.get(handler.id, self._latest)


def _by_operation(found: Sequence[Difference]) -> Mapping[tuple[str, str], Sequence[Difference]]:
    """Without what is new: an operation of the place of another one is not a change of it."""
    grouped = defaultdict(list)
    for one in found:
        if one.kind is not Kind.OPERATION_ADDED:
            grouped[one.method, one.path].append(one)
    return grouped


def baselines(held: Sequence[Held]) -> dict[UUID, UUID]:
    """By handler, the document that it last agreed with."""
    return {one.handler.id: one.baseline for one in held if one.handler and one.baseline}
