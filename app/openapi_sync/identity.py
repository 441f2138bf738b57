"""Which handler stands for which operation, when both have changed since the last sync.

In the histories of 32 published documents, paths changed under the same operationId 1,600 times and
operationIds under the same path 1,285 times. So neither alone is an identity, and the order is:

1. the same operationId, method and path
2. the same method and path
3. the same operationId, where it is unique on both sides
4. the same method and path with parameter names erased, where that is unique among what is left

What remains may have been renamed; that is reported, and nothing is done about it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from app.openapi_sync.operation import Operation

_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class ExistingHandler:
    """A handler that an earlier sync of the same integration made."""

    id: UUID
    name: str
    operation_id: str | None
    method: str
    path: str
    target: Mapping[str, object]
    default_args: Mapping[str, object]
    baseline_args: Mapping[str, object]
    """What the last sync put into ``default_args``."""
    summary: str | None = None
    missing_since: datetime | None = None
    enabled: bool = True
    orphaned_args: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class PossibleRename:
    handler: ExistingHandler
    candidates: tuple[Operation, ...]


Side = TypeVar("Side", Operation, ExistingHandler)
Key = Callable[[Operation | ExistingHandler], Hashable | None]
Matches = dict[UUID, Operation]


def match(existing: Sequence[ExistingHandler], operations: Sequence[Operation]) -> Matches:
    """Operations by the id of the handler that stands for them.

    Several handlers of one method and path all stand for that operation; by the weaker keys an operation gets
    one handler at most.
    """
    matches: Matches = {}
    if not existing:
        return matches
    for key in (_full_key, _path_key):
        by_key = {key(operation): operation for operation in operations}
        for handler in existing:
            if handler.id not in matches and (operation := by_key.get(key(handler))):
                matches[handler.id] = operation
    unique_ids = _by_unique_key(operations, _id_key).keys() & _by_unique_key(existing, _id_key).keys()
    _pair(existing, operations, matches, key=lambda one: _id_key(one) if _id_key(one) in unique_ids else None)
    _pair(existing, operations, matches, key=_erased_key)
    return matches


def possible_renames(
    existing: Sequence[ExistingHandler], operations: Sequence[Operation], matches: Matches
) -> list[PossibleRename]:
    """For each handler without an operation, those that share an operationId or an erased path with it."""
    unmatched = [handler for handler in existing if handler.id not in matches]
    if not unmatched:
        return []
    by_key: dict[Hashable, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_key[_id_key(operation)].append(operation)
        by_key[_erased_key(operation)].append(operation)
    renames = []
    for handler in unmatched:
        keys = [key for key in (_id_key(handler), _erased_key(handler)) if key is not None]
        candidates = {_path_key(operation): operation for key in keys for operation in by_key.get(key, ())}
        if candidates:
            renames.append(PossibleRename(handler, tuple(candidates.values())))
    return renames


def _pair(
    existing: Sequence[ExistingHandler], operations: Sequence[Operation], matches: Matches, *, key: Key
) -> None:
    """Match what is left, where ``key`` names exactly one on each side."""
    claimed = {_path_key(operation) for operation in matches.values()}
    handlers = _by_unique_key([one for one in existing if one.id not in matches], key)
    left = _by_unique_key([one for one in operations if _path_key(one) not in claimed], key)
    for shared in handlers.keys() & left.keys():
        matches[handlers[shared].id] = left[shared]


def _by_unique_key(items: Sequence[Side], key: Key) -> dict[Hashable, Side]:
    counts = Counter(key(item) for item in items)
    return {found: item for item in items if (found := key(item)) is not None and counts[found] == 1}


def _full_key(one: Operation | ExistingHandler) -> Hashable:
    return one.operation_id, one.method, one.path


def _path_key(one: Operation | ExistingHandler) -> Hashable:
    return one.method, one.path


def _id_key(one: Operation | ExistingHandler) -> Hashable | None:
    """A webhook never becomes a call: what a handler is for does not change by a rename."""
    return (one.operation_id, one.path.startswith("/")) if one.operation_id else None


def _erased_key(one: Operation | ExistingHandler) -> Hashable:
    return one.method, _PARAMETER.sub("{}", one.path)
