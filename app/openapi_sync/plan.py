"""What a sync would do: handlers as they are and a document's operations, into rows to write. No I/O.

A sync owns what the document says (operation, target, summary); a person owns the name, ``enabled`` and
whatever they changed in ``defaultArgs``. An unchanged document plans nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from app.openapi_sync.default_args import merge_default_args, orphaned_args
from app.openapi_sync.errors import TooManyMissing
from app.openapi_sync.identity import ExistingHandler, Matches, PossibleRename, match, possible_renames
from app.openapi_sync.naming import assign_names
from app.openapi_sync.oddities import Oddity, join_pointer, quote
from app.openapi_sync.operation import Operation, Skipped
from app.openapi_sync.selection import EVERYTHING, Selection

FEW_MISSING = 5
MISSING_SHARE = 0.3
"""A sync is refused when more than both would go missing."""
MAX_WARNINGS = 200


@dataclass(frozen=True, slots=True)
class Creation:
    """A handler to make; ``operation.default_args`` fill both ``default_args`` and ``baseline_args``."""

    name: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Update:
    handler: ExistingHandler
    operation: Operation
    changes: Mapping[str, object]
    """New values by column of the table of handlers; never empty."""


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[Creation, ...]
    update: tuple[Update, ...]
    unchanged: tuple[ExistingHandler, ...]
    """Handlers that need no change, because nothing did, or because they are not selected or not readable."""
    missing: tuple[ExistingHandler, ...]
    """To be marked now."""
    still_missing: tuple[ExistingHandler, ...]
    restored: tuple[ExistingHandler, ...]
    """To be unmarked; each of them also stands in ``update`` or ``unchanged``."""
    skipped: tuple[Skipped, ...]
    unselected: int
    """Operations that the selection does not cover."""
    possible_renames: tuple[PossibleRename, ...]
    covered: frozenset[UUID]
    """Handlers whose operation is described, and selected."""
    warnings: tuple[Oddity, ...]


def plan(
    existing: Sequence[ExistingHandler],
    described: Iterable[Operation | Skipped],
    *,
    taken_names: AbstractSet[str],
    integration_name: str,
    selection: Selection = EVERYTHING,
    force: bool = False,
) -> Plan:
    """Compare what is with what is described.

    ``existing`` are the handlers that syncs of this integration made, ``taken_names`` the names of all
    handlers of the tenant.

    Raises ``TooManyMissing`` unless ``force``, and what ``operations`` raises.
    """
    found = list(described)
    operations = [one for one in found if isinstance(one, Operation)]
    skipped = [one for one in found if isinstance(one, Skipped)]
    matches = match(existing, operations)
    selected = [one for one in operations if selection == EVERYTHING or selection.covers(one)]
    gone = _gone(existing, matches, skipped)
    missing = tuple(handler for handler in gone if handler.missing_since is None)
    if not force:
        _check_missing(missing, existing)
    update = _updates(existing, matches, selection)
    settled = {one.handler.id for one in update} | {handler.id for handler in gone}
    return Plan(
        create=_creations(selected, operations, matches, taken_names, integration_name),
        update=tuple(update),
        unchanged=tuple(handler for handler in existing if handler.id not in settled),
        missing=missing,
        still_missing=tuple(handler for handler in gone if handler.missing_since is not None),
        restored=tuple(one for one in existing if one.id in matches and one.missing_since is not None),
        skipped=tuple(skipped),
        unselected=len(operations) - len(selected),
        possible_renames=tuple(possible_renames(gone, operations, matches)),
        covered=frozenset(id for id, operation in matches.items() if selection.covers(operation)),
        warnings=_warnings(operations),
    )


def lacks_too_many(missing: Sequence[ExistingHandler], existing: Sequence[ExistingHandler]) -> bool:
    """Whether a document looks wrong, because the operations of so many of the handlers are gone at once."""
    return len(missing) > FEW_MISSING and len(missing) > MISSING_SHARE * _present(existing)


def _gone(
    existing: Sequence[ExistingHandler], matches: Matches, skipped: Sequence[Skipped]
) -> list[ExistingHandler]:
    """The handlers whose operation the document no longer describes; one it describes badly is not gone."""
    unreadable = {(one.method, one.path) for one in skipped if not one.is_deliberate}
    return [
        handler
        for handler in existing
        if handler.id not in matches
        and unreadable.isdisjoint({(handler.method, handler.path), ("*", handler.path)})
    ]


def _check_missing(missing: Sequence[ExistingHandler], existing: Sequence[ExistingHandler]) -> None:
    if lacks_too_many(missing, existing):
        present = _present(existing)
        raise TooManyMissing(
            f"the document lacks the operations of {len(missing)} of {present} handlers; `force` accepts it",
            extra={"missing": len(missing), "handlers": present},
        )


def _present(existing: Sequence[ExistingHandler]) -> int:
    return sum(handler.missing_since is None for handler in existing)


def _creations(
    selected: Sequence[Operation],
    operations: Sequence[Operation],
    matches: Matches,
    taken_names: AbstractSet[str],
    integration_name: str,
) -> tuple[Creation, ...]:
    known = {(operation.method, operation.path) for operation in matches.values()}
    new = [one for one in selected if (one.method, one.path) not in known] if known else selected
    methods = Counter(one.path for one in operations)
    names = assign_names(
        new,
        taken=taken_names,
        integration_name=integration_name,
        shared_paths={path for path, count in methods.items() if count > 1},
    )
    return tuple(Creation(name, operation) for name, operation in zip(names, new, strict=True))


def _updates(existing: Sequence[ExistingHandler], matches: Matches, selection: Selection) -> list[Update]:
    updates = []
    for handler in existing:
        operation = matches.get(handler.id)
        if (
            operation is not None
            and selection.covers(operation)
            and (changes := _changes(handler, operation))
        ):
            updates.append(Update(handler, operation, changes))
    return updates


def _changes(handler: ExistingHandler, operation: Operation) -> dict[str, object]:
    """Column → (value now, value wanted), where the two differ."""
    target = operation.target()
    columns: dict[str, tuple[object, object]] = {
        "operation_id": (handler.operation_id, operation.operation_id),
        "operation_method": (handler.method, operation.method),
        "operation_path": (handler.path, operation.path),
        "summary": (handler.summary, _summary(handler, operation)),
        "target": (handler.target, target),
    }
    if not operation.is_degraded:  # else an argument may seem to have vanished that only could not be read
        orphaned = orphaned_args(
            handler.default_args,
            known_before={*handler.baseline_args, *handler.orphaned_args, *_parameter_names(handler.target)},
            operation=operation,
        )
        merged = merge_default_args(
            handler.default_args,
            baseline=handler.baseline_args,
            stated=operation.default_args,
            orphaned=orphaned,
        )
        columns["default_args"] = (handler.default_args, merged)
        columns["baseline_args"] = (handler.baseline_args, dict(operation.default_args))
        columns["orphaned_args"] = (list(handler.orphaned_args), orphaned)
    return {column: wanted for column, (now, wanted) in columns.items() if now != wanted}


def _summary(handler: ExistingHandler, operation: Operation) -> str | None:
    """The operation's; a person's own, which differs from that of the last sync, stays."""
    is_edited = handler.summary != handler.target.get("summary", handler.summary)
    return handler.summary if is_edited else operation.summary


def _parameter_names(target: Mapping[str, object]) -> set[str]:
    """Names of the parameters in a stored target."""
    parameters = target.get("parameters")
    entries = parameters if isinstance(parameters, list) else []
    return {
        entry["name"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }


def _warnings(operations: Sequence[Operation]) -> tuple[Oddity, ...]:
    """What was odd about the operations, without repeating what several of them share."""
    uses = Counter(operation.operation_id for operation in operations if operation.operation_id)
    oddities: dict[Oddity, None] = {}
    for operation in operations:
        if operation.warnings:
            oddities.update(dict.fromkeys(operation.warnings))
        if operation.operation_id and uses[operation.operation_id] > 1:
            message = f"{uses[operation.operation_id]} operations have the id {quote(operation.operation_id)}"
            oddities[Oddity(join_pointer("", *operation.place), message)] = None
    shown = list(oddities)
    if len(shown) > MAX_WARNINGS:
        more = Oddity("", f"{len(shown) - MAX_WARNINGS + 1} more warnings are not shown")
        shown = [*shown[: MAX_WARNINGS - 1], more]
    return tuple(shown)
