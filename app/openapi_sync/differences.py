"""What changed between two versions of a document for those who call its operations. Pure.

A change is breaking when a request that was right may not be any more: an operation, a parameter, a property,
a media type or a value is gone, something is newly required, a type is another one, or it is sent elsewhere
or with other credentials. What an answer looks like is not compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from uuid import uuid4

from app.openapi_sync.cpu_budget import CpuBudget
from app.openapi_sync.document import Document
from app.openapi_sync.errors import DocumentTooComplex
from app.openapi_sync.identity import ExistingHandler, match
from app.openapi_sync.oddities import LONGEST_QUOTE, Notes, Place, quote
from app.openapi_sync.operation import Operation, Parameter, RequestBody
from app.openapi_sync.operations import TEMPLATE_VARIABLE, operations
from app.openapi_sync.parameters import MAX_PARAMETERS
from app.openapi_sync.pieces import P
from app.openapi_sync.references import Dangling, References
from app.openapi_sync.shapes import (
    Accepted,
    Presence,
    Shape,
    ShapedBody,
    ShapedMedia,
    ShapedOperation,
    ShapedParameter,
    ShapedPathItem,
    accepted,
    is_read_only,
)

MAX_DEPTH = 8
MAX_DIFFERENCES = 10_000
"""Properties inside properties that are compared, and changes that are told."""
MAX_CPU_SECONDS = 5
"""Of a comparison: a third of a millisecond for each operation, and there are descriptions of 16,000."""
MAX_TOLD = 100
"""Types or values of one change that are told."""


class Kind(StrEnum):
    OPERATION_ADDED = "operation_added"
    OPERATION_REMOVED = "operation_removed"
    OPERATION_ID_CHANGED = "operation_id_changed"
    METHOD_OR_PATH_CHANGED = "method_or_path_changed"
    SERVER_CHANGED = "server_changed"
    SECURITY_CHANGED = "security_changed"
    INPUT_ADDED = "input_added"
    REQUIRED_INPUT_ADDED = "required_input_added"
    INPUT_REMOVED = "input_removed"
    INPUT_BECAME_REQUIRED = "input_became_required"
    INPUT_BECAME_OPTIONAL = "input_became_optional"
    TYPE_CHANGED = "type_changed"
    TYPE_WIDENED = "type_widened"
    VALUES_REMOVED = "values_removed"
    VALUES_ADDED = "values_added"
    MEDIA_TYPE_ADDED = "media_type_added"
    MEDIA_TYPE_REMOVED = "media_type_removed"


BREAKING = frozenset(
    {
        Kind.OPERATION_REMOVED,
        Kind.METHOD_OR_PATH_CHANGED,
        Kind.SERVER_CHANGED,
        Kind.SECURITY_CHANGED,
        Kind.REQUIRED_INPUT_ADDED,
        Kind.INPUT_REMOVED,
        Kind.INPUT_BECAME_REQUIRED,
        Kind.TYPE_CHANGED,
        Kind.VALUES_REMOVED,
        Kind.MEDIA_TYPE_REMOVED,
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """``where`` is the input that changed, as ``query/limit`` or ``body/address/street``; empty for the
    operation itself. ``method`` and ``path`` are the older version's, unless there is none."""

    kind: Kind
    method: str
    path: str
    where: str = ""
    before: object = None
    after: object = None

    @property
    def is_breaking(self) -> bool:
        return self.kind in BREAKING


def differences(old: Document, new: Document) -> list[Difference]:
    """By path and method of the operations. Raises what ``operations`` raises."""
    budget = CpuBudget(MAX_CPU_SECONDS)
    versions = _Version(old, budget), _Version(new, budget)
    found = islice(_differences(*versions, budget), MAX_DIFFERENCES)
    return sorted(found, key=lambda one: (one.path, one.method, one.where, one.kind))


class _Version:
    """One side of the comparison."""

    def __init__(self, document: Document, budget: CpuBudget) -> None:
        self.operations = [one for one in operations(document, budget) if isinstance(one, Operation)]
        self.references = References(document.text, {})

    def shaped(self, operation: Operation) -> "_Inputs":
        """The schemas of what an operation is sent, by where each goes."""
        item = self._at(operation.place[:-1], ShapedPathItem)
        own = self._at(operation.place, ShapedOperation)
        inputs = _Inputs({}, {})
        for listed in (item and item.parameters, own and own.parameters):
            for one in listed[:MAX_PARAMETERS] if isinstance(listed, list) else ():
                piece = self.references.follow(one, ShapedParameter, (), Notes())
                if piece is not None:
                    inputs.parameters[f"{piece.location}/{piece.name}"] = _schema(piece)
        body = self.references.follow(own.body, ShapedBody, (), Notes()) if own and own.body else None
        content = body.content if body is not None and isinstance(body.content, dict) else {}
        for name in operation.body.content_types if operation.body else ():
            if isinstance(media := content.get(name), ShapedMedia):
                inputs.bodies[name] = media.schema
        return inputs

    def _at(self, place: Place, kind: type[P]) -> P | None:
        try:
            return self.references.follow(self.references.at(place, kind), kind, (), Notes())
        except Dangling:
            return None


@dataclass(frozen=True, slots=True)
class _Inputs:
    parameters: dict[str, object]
    bodies: dict[str, object]


def _schema(piece: ShapedParameter) -> object:
    """Of OpenAPI 3.x beside the parameter, of 2.0 the parameter itself."""
    if piece.schema is not None:
        return piece.schema
    media = next(iter(piece.content.values()), None) if isinstance(piece.content, dict) else None
    return media.schema if isinstance(media, ShapedMedia) else piece


def _differences(old: _Version, new: _Version, budget: CpuBudget) -> Iterator[Difference]:
    handlers = {(one.method, one.path): _as_handler(one) for one in old.operations}
    matches = match(list(handlers.values()), new.operations)
    known = {(one.method, one.path) for one in matches.values()}
    for before in old.operations:
        after = matches.get(handlers[before.method, before.path].id)
        if after is None:
            yield Difference(Kind.OPERATION_REMOVED, before.method, before.path)
        else:
            yield from _Comparison(old, new, before, after, budget).all()
    for after in new.operations:
        if (after.method, after.path) not in known:
            yield Difference(Kind.OPERATION_ADDED, after.method, after.path)


def _as_handler(operation: Operation) -> ExistingHandler:
    return ExistingHandler(uuid4(), "", operation.operation_id, operation.method, operation.path, {}, {}, {})


class _Comparison:
    """Of one operation."""

    def __init__(
        self, old: _Version, new: _Version, before: Operation, after: Operation, budget: CpuBudget
    ) -> None:
        self._old, self._new = old, new
        self._before, self._after = before, after
        self._budget = budget
        self._compared: set[tuple[str, str]] = set()

    def all(self) -> Iterator[Difference]:
        before, after = self._before, self._after
        yield from self._changed(Kind.OPERATION_ID_CHANGED, before.operation_id, after.operation_id)
        paths = f"{before.method} {before.path}", f"{after.method} {after.path}"
        yield from self._changed(Kind.METHOD_OR_PATH_CHANGED, *paths)
        yield from self._changed(Kind.SERVER_CHANGED, before.servers[:1], after.servers[:1])
        yield from self._security()
        old, new = self._old.shaped(before), self._new.shaped(after)
        yield from self._parameters(old, new)
        yield from self._bodies(old, new)

    def _changed(self, kind: Kind, before: object, after: object, where: str = "") -> Iterator[Difference]:
        if before != after:
            yield Difference(kind, self._before.method, self._before.path, where, before, after)

    def _security(self) -> Iterator[Difference]:
        """Who could meet what was asked must still do so: each old alternative holds a new one."""
        before, after = ([frozenset(one) for one in side.security] for side in (self._before, self._after))
        if after and not all(any(new <= old for new in after) for old in before or [frozenset()]):
            yield from self._changed(Kind.SECURITY_CHANGED, _names(before), _names(after))

    def _parameters(self, old: _Inputs, new: _Inputs) -> Iterator[Difference]:
        before = {f"{one.location}/{one.name}": one for one in self._before.parameters}
        after = {f"{one.location}/{one.name}": one for one in self._after.parameters}
        if self._before.path != self._after.path:  # a path parameter by another name is no other parameter
            places = [
                [f"path/{name}" for name in TEMPLATE_VARIABLE.findall(side.path)]
                for side in (self._before, self._after)
            ]
            if len(places[0]) == len(places[1]):
                for was, name in zip(*places, strict=True):
                    if was in before and name in after:
                        after[was] = after.pop(name)
                        new.parameters[was] = new.parameters.pop(name, None)
        for where in before.keys() | after.keys():
            yield from self._presence(where, _presence(before.get(where)), _presence(after.get(where)))
            if where in before and where in after:
                yield from self._schemas(old.parameters.get(where), new.parameters.get(where), where)

    def _presence(self, where: str, before: Presence, after: Presence) -> Iterator[Difference]:
        if before is after:
            return
        is_required = after is Presence.REQUIRED
        if before is Presence.NONE:
            kind = Kind.REQUIRED_INPUT_ADDED if is_required else Kind.INPUT_ADDED
        elif after is Presence.NONE:
            kind = Kind.INPUT_REMOVED
        else:
            kind = Kind.INPUT_BECAME_REQUIRED if is_required else Kind.INPUT_BECAME_OPTIONAL
        yield Difference(kind, self._before.method, self._before.path, where)

    def _bodies(self, old: _Inputs, new: _Inputs) -> Iterator[Difference]:
        before, after = self._before.body, self._after.body
        yield from self._presence("body", _presence(before), _presence(after))
        if before is None or after is None:
            return
        for name in before.content_types:
            if name not in after.content_types:
                yield from self._changed(Kind.MEDIA_TYPE_REMOVED, name, None, "body")
            elif name in old.bodies and name in new.bodies:
                yield from self._schemas(old.bodies[name], new.bodies[name], "body")
        for name in after.content_types:
            if name not in before.content_types:
                yield from self._changed(Kind.MEDIA_TYPE_ADDED, None, name, "body")
        for where in old.parameters.keys() & new.parameters.keys():  # OpenAPI 2.0's
            if where.startswith("body/"):
                yield from self._schemas(old.parameters[where], new.parameters[where], "body")

    def _schemas(self, old: object, new: object, where: str, depth: int = 0) -> Iterator[Difference]:
        if depth > MAX_DEPTH or not self._is_to_be_compared(old, new):
            return
        before, after = accepted(old, self._old.references), accepted(new, self._new.references)
        yield from self._types(before, after, where)
        yield from self._values(before, after, where)
        if before.items is not None and after.items is not None:
            yield from self._schemas(before.items, after.items, f"{where}/*", depth + 1)
        for name in before.properties.keys() | after.properties.keys():
            self._check_budget()
            one, other = before.properties.get(name), after.properties.get(name)
            here = f"{where}/{name}"
            if other is not None and is_read_only(other, self._new.references):
                continue
            if one is not None and is_read_only(one, self._old.references):
                one = None  # it could not be sent until now
            yield from self._presence(here, before.presence(name, one), after.presence(name, other))
            if one is not None and other is not None:
                yield from self._schemas(one, other, here, depth + 1)

    def _check_budget(self) -> None:
        if self._budget.is_spent():
            raise DocumentTooComplex("the differences of the documents multiply beyond what is compared")

    def _is_to_be_compared(self, old: object, new: object) -> bool:
        """What both sides refer to is compared once for an operation, wherever it stands in what is sent."""
        self._check_budget()
        if not isinstance(old, Shape) or not isinstance(new, Shape):
            return isinstance(old, Shape) or isinstance(new, Shape)
        if isinstance(old.ref, str) and isinstance(new.ref, str):
            if (old.ref, new.ref) in self._compared:
                return False
            self._compared.add((old.ref, new.ref))
        return True

    def _types(self, before: Accepted, after: Accepted, where: str) -> Iterator[Difference]:
        if before.types == after.types:
            return
        was, now = (sorted(side.types) if side.types else None for side in (before, after))
        is_wider = after.types is None or (before.types is not None and before.types <= _widened(after.types))
        kind = Kind.TYPE_WIDENED if is_wider else Kind.TYPE_CHANGED
        yield from self._changed(kind, _told(was), _told(now), where)

    def _values(self, before: Accepted, after: Accepted, where: str) -> Iterator[Difference]:
        was, now = before.values, after.values
        if was == now:
            return
        if now is not None and (was is None or any(value not in now for value in was)):
            gone = None if was is None else [value for value in was if value not in now]
            yield from self._changed(Kind.VALUES_REMOVED, _told(gone), _told(now), where)
        elif was is not None and (now is None or any(value not in was for value in now)):
            come = None if now is None else [value for value in now if value not in was]
            yield from self._changed(Kind.VALUES_ADDED, _told(was), _told(come), where)


def _presence(given: Parameter | RequestBody | None) -> Presence:
    if given is None:
        return Presence.NONE
    return Presence.REQUIRED if given.required else Presence.OPTIONAL


def _told(values: Sequence[object] | None) -> list[object] | None:
    """As much of them as ten thousand changes can each hold."""
    return None if values is None else [_short(value) for value in values[:MAX_TOLD]]


def _short(value: object) -> object:
    """Texts are cut, and of what is an object or a list that is told."""
    if isinstance(value, dict | list):
        return f"({'an object' if isinstance(value, dict) else 'a list'})"
    return quote(value) if isinstance(value, str) and len(value) > LONGEST_QUOTE else value


def _widened(types: frozenset[str]) -> frozenset[str]:
    return types | {"integer"} if "number" in types else types


def _names(security: Sequence[frozenset[object]]) -> list[list[str]]:
    return sorted(sorted(str(getattr(scheme, "key", scheme)) for scheme in one) for one in security)
