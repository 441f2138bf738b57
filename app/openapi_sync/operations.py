"""From a document to its operations, one at a time and without ever looking further than one call needs.

Whatever is of the wrong type where we look is skipped with a reason or noted as an oddity; nothing here
raises on a document's content, except that there are too many operations.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from app.openapi_sync.bodies import BodyReader
from app.openapi_sync.cpu_budget import CpuBudget
from app.openapi_sync.default_args import default_args
from app.openapi_sync.document import Document
from app.openapi_sync.errors import DocumentTooComplex
from app.openapi_sync.file_places import FILES
from app.openapi_sync.oddities import Notes, Oddity, Place, quote
from app.openapi_sync.operation import Operation, OperationKind, Parameter, RequestBody, Skipped
from app.openapi_sync.parameters import LONGEST_NAME, MAX_PARAMETERS, Entries, ParameterReader
from app.openapi_sync.pieces import Components, Description, OperationPiece, PathItem, overlaid
from app.openapi_sync.references import References
from app.openapi_sync.security import Security, SecurityReader
from app.openapi_sync.servers import listed_servers, swagger2_servers

MAX_OPERATIONS = 20_000
MAX_PATHS = 100_000
MAX_CPU_SECONDS = 1.25
"""Twice what the largest description known takes."""
MAX_SIZE = 1_000_000
"""Parameters, properties and the like of all operations: a few kilobytes that all of them refer to could
otherwise multiply into gigabytes."""
MAX_METHODS = 64
MAX_TAGS = 64
LONGEST_PATH = 2048
LONGEST_OPERATION_ID = 512
LONGEST_SUMMARY = 512

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "query")
_ABOUT_ITSELF = re.compile(r"/openapi\.json\Z|/(?:docs|redoc|health)")
"""The paths under which a service speaks of itself, whatever follows the last three."""
_SENDABLE_PATH = re.compile(r"/[^\x00-\x20\x7f?#\\]*\Z")
TEMPLATE_VARIABLE = re.compile(r"\{([^{}]+)\}")


def operations(document: Document, budget: CpuBudget | None = None) -> Iterator[Operation | Skipped]:
    """Every operation of the document, path by path, read when it is asked for.

    Raises ``DocumentTooComplex`` in the middle when there are more than ``MAX_OPERATIONS``.
    """
    budget, size = budget or CpuBudget(MAX_CPU_SECONDS), 0
    for count, operation in enumerate(_Walk(document).all()):
        if count >= MAX_OPERATIONS:
            raise DocumentTooComplex(f"the document has more than {MAX_OPERATIONS:,} operations")
        size += operation.size
        if size > MAX_SIZE or budget.is_spent():
            raise DocumentTooComplex("what the operations refer to multiplies beyond what is read")
        yield operation


class _PathItem(msgspec.Struct, frozen=True, gc=False):
    """What the operations of one path share."""

    kind: OperationKind
    path: str
    place: Place
    piece: PathItem
    notes: Notes
    parameters: Entries
    variables: tuple[str, ...]
    """Names in the template."""
    servers: tuple[str, ...]


class _Walk:
    """One pass over one document."""

    def __init__(self, document: Document) -> None:
        self._description = described = document.description
        self._is_swagger2 = document.is_swagger2
        sections = _sections(described)
        self._references = References(document.text, sections)
        self._parameters = ParameterReader(self._references, is_swagger2=self._is_swagger2)
        self._bodies = BodyReader(self._references)
        schemes = "#/securityDefinitions" if self._is_swagger2 else "#/components/securitySchemes"
        self._security = SecurityReader(self._references, sections.get(schemes, {}))
        self._shared_servers = (
            swagger2_servers(described.schemes, described.host, described.base_path)
            if self._is_swagger2
            else listed_servers(described.servers) or ()
        )

    def all(self) -> Iterator[Operation | Skipped]:
        sections = (
            ("paths", self._description.paths, OperationKind.CALL),
            ("webhooks", self._description.webhooks, OperationKind.STORE),
        )
        for section, items, kind in sections:
            if not isinstance(items, dict):
                continue
            if len(items) > MAX_PATHS:
                raise DocumentTooComplex(f"the document has more than {MAX_PATHS:,} {section}")
            seen: set[str] = set()
            for key, stated in items.items():
                path = _path(kind, key)
                if key.startswith("x-"):
                    continue
                if path in seen:
                    yield Skipped("*", path, "the path is described twice")
                    continue
                seen.add(path)
                yield from self._path_item(kind, path, stated, (section, key))

    def _path_item(
        self, kind: OperationKind, path: str, stated: object, place: Place
    ) -> Iterator[Operation | Skipped]:
        notes = Notes()
        piece = self._references.follow(stated, PathItem, place, notes)
        if piece is None:
            yield Skipped("*", path, notes.oddities[0].message)
            return
        if isinstance(stated, PathItem) and piece is not stated:
            piece = overlaid(piece, stated)  # what stands beside the $ref is closer
        item = _PathItem(
            kind,
            path,
            place,
            piece,
            notes,
            self._parameters.collect(piece.parameters, (*place, "parameters"), notes),
            tuple(dict.fromkeys(TEMPLATE_VARIABLE.findall(path))) if kind is OperationKind.CALL else (),
            (not self._is_swagger2 and listed_servers(piece.servers)) or self._shared_servers,
        )
        problem = _path_problem(kind, path)
        is_about_itself = kind is OperationKind.CALL and _ABOUT_ITSELF.match(path) is not None
        for method in _METHODS:
            operation = getattr(piece, method)
            if operation is None:
                continue
            if problem:
                yield Skipped(method.upper(), path[:LONGEST_PATH], problem)
            elif is_about_itself:
                yield Skipped(
                    method.upper(), path, "the path serves documentation or health", is_deliberate=True
                )
            else:
                yield self._operation(item, method, operation)
        if piece.trace is not None or piece.additional is not None:
            yield from _unsent(path, piece)

    def _operation(self, item: _PathItem, method: str, stated: object) -> Operation | Skipped:
        verb, place = method.upper(), (*item.place, method)
        notes = Notes()
        piece = self._references.follow(stated, OperationPiece, place, notes)
        if piece is None:
            return Skipped(verb, item.path, notes.oddities[0].message)
        if (item.piece if piece.is_handler is None else piece).is_handler is False:
            return Skipped(verb, item.path, "x-handler is false", is_deliberate=True)
        if item.notes.oddities:
            notes = Notes(list(item.notes.oddities), item.notes.is_degraded)
        parameters, body = self._inputs(item, piece, place, notes)
        if len(parameters) > MAX_PARAMETERS:
            return Skipped(verb, item.path, f"the operation has more than {MAX_PARAMETERS} parameters")
        return Operation(
            kind=item.kind,
            method=verb,
            path=item.path,
            place=place,
            operation_id=_operation_id(piece.operation_id, place, notes),
            summary=_text(piece.summary, LONGEST_SUMMARY),
            tags=_tags(piece.tags),
            handler_name=_text(piece.handler_name, LONGEST_SUMMARY),
            parameters=parameters,
            body=body,
            security=self._requirements(piece, place, notes),
            servers=self._servers(item, piece),
            default_args=default_args(parameters, body, place, notes),
            is_degraded=notes.is_degraded,
            warnings=self._warnings(notes),
        )

    def _inputs(
        self, item: _PathItem, piece: OperationPiece, place: Place, notes: Notes
    ) -> tuple[tuple[Parameter, ...], RequestBody | None]:
        own = self._parameters.collect(piece.parameters, (*place, "parameters"), notes)
        entries = item.parameters | own
        parameters = self._parameters.read(entries, notes)
        if item.variables:
            parameters += _undeclared(item.variables, parameters, place, notes)
        if self._is_swagger2:
            has_own = piece.consumes is not msgspec.UNSET
            consumes = piece.consumes if has_own else self._description.consumes
            body = self._bodies.read_swagger2(entries, consumes, notes)
        else:
            body = self._bodies.read(piece.body, (*place, "requestBody"), notes)
        return tuple(parameters), body

    def _warnings(self, notes: Notes) -> tuple[Oddity, ...]:
        """Of a description in several files, each where it is written."""
        if self._description.files is None:
            return tuple(notes.oddities)
        return tuple(map(self._references.located, notes.oddities))

    def _requirements(self, piece: OperationPiece, place: Place, notes: Notes) -> Security:
        """The operation's own, else the document's; an empty list of its own asks for nothing."""
        if piece.security is not msgspec.UNSET:
            return self._security.read(piece.security, (*place, "security"), notes)
        return self._security.read(self._description.security, ("security",), notes)

    def _servers(self, item: _PathItem, piece: OperationPiece) -> tuple[str, ...]:
        """Of the nearest level that names any: operation, path, document."""
        if self._is_swagger2 and isinstance(piece.schemes, list):
            return swagger2_servers(piece.schemes, self._description.host, self._description.base_path)
        return (not self._is_swagger2 and listed_servers(piece.servers)) or item.servers


def _sections(described: Description) -> dict[str, dict[str, msgspec.Raw]]:
    """What operations refer to, by the reference to each section."""
    found: dict[str, object] = {
        "#/definitions": described.definitions,
        "#/parameters": described.parameters,
        "#/securityDefinitions": described.security_definitions,
        f"#/{FILES}": described.files,
    }
    if isinstance(components := described.components, Components):
        found |= {
            "#/components/schemas": components.schemas,
            "#/components/parameters": components.parameters,
            "#/components/requestBodies": components.bodies,
            "#/components/pathItems": components.path_items,
            "#/components/securitySchemes": components.security_schemes,
        }
    return {reference: section for reference, section in found.items() if isinstance(section, dict)}


def _unsent(path: str, piece: PathItem) -> Iterator[Skipped]:
    """TRACE, and what OpenAPI 3.2 lets a document name besides."""
    named = piece.additional if isinstance(piece.additional, dict) else {}
    for method in (*(["TRACE"] if piece.trace is not None else []), *islice(named, MAX_METHODS)):
        yield Skipped(quote(method), path[:LONGEST_PATH], f"{quote(method)} requests are not sent")


def _path(kind: OperationKind, key: str) -> str:
    if kind is OperationKind.STORE:
        return f"webhooks/{key}"
    return key if key.startswith("/") else f"/{key}"


def _path_problem(kind: OperationKind, path: str) -> str | None:
    if len(path) > LONGEST_PATH:
        return "the path is too long"
    if kind is OperationKind.CALL and not _SENDABLE_PATH.match(path):
        return "the path holds a character that no path may hold"
    return None


def _undeclared(
    variables: Iterable[str], declared: list[Parameter], place: Place, notes: Notes
) -> list[Parameter]:
    """Parameters for the variables of the path that the document forgot to declare."""
    known = {parameter.name for parameter in declared if parameter.location == "path"}
    added = []
    for name in variables:
        if name not in known and len(name) <= LONGEST_NAME:
            notes.add(place, f"the path variable {quote(name)} is not declared as a parameter")
            added.append(Parameter(name, "path", required=True, style="simple", explode=False))
    return added


def _operation_id(stated: object, place: Place, notes: Notes) -> str | None:
    if stated is None or (isinstance(stated, str) and 0 < len(stated) <= LONGEST_OPERATION_ID):
        return stated
    notes.add(place, "`operationId` is not a text of usable length; it was ignored")
    return None


def _tags(stated: object) -> tuple[str, ...]:
    tags = stated[:MAX_TAGS] if isinstance(stated, list) else []
    return tuple([tag for tag in tags if isinstance(tag, str)])


def _text(text: object, longest: int) -> str | None:
    """The text on one line, cut to ``longest`` characters; None when it says nothing."""
    if not isinstance(text, str):
        return None
    line = " ".join(text[: 2 * longest].split())
    return (line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}") or None
