"""From a plan to what happens to each handler: one list for database, audit log and answer. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.audit.recorder import difference
from app.core.clock import to_wire
from app.db.base import Json
from app.models import HandlerSource
from app.openapi_sync.identity import ExistingHandler
from app.openapi_sync.operation import Operation, OperationKind
from app.openapi_sync.options import OnMissing
from app.openapi_sync.plan import Creation, Plan

_INTERNAL = frozenset({"baseline_args"})


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    RESTORE = "restore"
    """An update of a handler that was marked as missing."""
    MARK_MISSING = "mark_missing"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class HandlerChange:
    """What happens to one handler. ``before`` and ``after`` hold, by column, what differs."""

    action: Action
    handler: ExistingHandler | None
    """None of one that is created."""
    name: str
    method: str
    path: str
    before: Mapping[str, object]
    after: Mapping[str, object]

    @property
    def version(self) -> int:
        """That the change makes."""
        return self.handler.version + 1 if self.handler else 1

    def tool(self) -> tuple[Json, Json]:
        """What the handler is for those who call it, before and after."""
        if self.handler is None:
            return {}, {"enabled": True, **self.after}
        now: Json = {"name": self.name, **columns(self.handler)}
        return now, {} if self.action is Action.DELETE else {**now, **self.after}


def handler_changes(plan: Plan, on_missing: OnMissing, now: datetime) -> Iterator[HandlerChange]:
    """Every handler that is written, once. Creations are in the order of their names: two transactions that
    insert the same names wait for each other in one direction only."""
    for creation in sorted(plan.create, key=lambda creation: creation.name):
        yield _create(creation)
    restored = {handler.id: handler for handler in plan.restored}
    for update in plan.update:
        if restored.pop(update.handler.id, None):
            yield _restore(update.handler, update.changes)
        else:
            yield _change(Action.UPDATE, update.handler, update.changes)
    for handler in restored.values():
        yield _restore(handler, {})
    for handler in (*plan.missing, *plan.still_missing):
        if change := _miss(handler, on_missing, now):
            yield change


def columns(handler: ExistingHandler) -> Json:
    """The columns that a sync writes, as they are."""
    return {
        "operation_id": handler.operation_id,
        "operation_method": handler.method,
        "operation_path": handler.path,
        "summary": handler.summary,
        "target": handler.target,
        "default_args": handler.default_args,
        "baseline_args": handler.baseline_args,
        "orphaned_args": list(handler.orphaned_args),
        "missing_since": handler.missing_since,
        "enabled": handler.enabled,
    }


def differences(change: HandlerChange) -> Json:
    """Column → ``{"before": …, "after": …}`` as JSON, for people."""
    return difference(_shown(change.before), _shown(change.after))


def _create(creation: Creation) -> HandlerChange:
    operation = creation.operation
    after = {
        "name": creation.name,
        "source": HandlerSource.OPENAPI,
        "operation_id": operation.operation_id,
        "operation_method": operation.method,
        "operation_path": operation.path,
        "summary": operation.summary,
        "target": operation.target(),
        "default_args": dict(operation.default_args),
        "baseline_args": dict(operation.default_args),
        "methods": _methods(operation),
    }
    return HandlerChange(
        Action.CREATE, None, creation.name, operation.method, operation.path, before={}, after=after
    )


def _methods(operation: Operation) -> list[str]:
    """How the handler's webhook may be called: as the document says, where the webhook is the document's."""
    return [operation.method if operation.kind is OperationKind.STORE else "POST"]


def _restore(handler: ExistingHandler, changes: Mapping[str, object]) -> HandlerChange:
    return _change(Action.RESTORE, handler, {**changes, "missing_since": None})


def _miss(handler: ExistingHandler, on_missing: OnMissing, now: datetime) -> HandlerChange | None:
    if on_missing is OnMissing.DELETE:
        before = {"name": handler.name, **columns(handler)}
        return HandlerChange(
            Action.DELETE, handler, handler.name, handler.method, handler.path, before=before, after={}
        )
    changes: Json = {}
    if handler.missing_since is None:
        changes["missing_since"] = now
    if handler.enabled and on_missing is OnMissing.DISABLE:
        changes["enabled"] = False
    return _change(Action.MARK_MISSING, handler, changes) if changes else None


def _change(action: Action, handler: ExistingHandler, after: Mapping[str, object]) -> HandlerChange:
    now = columns(handler)
    before = {column: now[column] for column in after}
    return HandlerChange(action, handler, handler.name, handler.method, handler.path, before, after)


def _shown(values: Mapping[str, object]) -> Json:
    return {
        column: to_wire(value) if isinstance(value, datetime) else value
        for column, value in values.items()
        if column not in _INTERNAL
    }
