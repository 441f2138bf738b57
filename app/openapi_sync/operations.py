"""From a document to its operations, one at a time and without ever looking further than one call needs.

Whatever is of the wrong type where we look is skipped with a reason or noted as an oddity; nothing here
raises on a document's content, except that there are too many operations.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.openapi_sync.bodies import BodyReader
from app.openapi_sync.default_args import default_args
from app.openapi_sync.document import Document
from app.openapi_sync.errors import DocumentTooComplex
from app.openapi_sync.oddities import Notes, join_pointer, quote
from app.openapi_sync.operation import Operation, OperationKind, Parameter, RequestBody, Skipped
from app.openapi_sync.parameters import LONGEST_NAME, ParameterReader, RawParameters
from app.openapi_sync.references import References
from app.openapi_sync.security import Security, SecurityReader
from app.openapi_sync.servers import listed_servers, swagger2_servers

MAX_OPERATIONS = 20_000
MAX_PARAMETERS = 512
MAX_TAGS = 64
LONGEST_PATH = 2048
LONGEST_OPERATION_ID = 512
LONGEST_SUMMARY = 512
LONGEST_DESCRIPTION = 1024

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_UNSENT_METHODS = ("trace", "query")
_ABOUT_ITSELF = re.compile(r"/openapi\.json\Z|/(?:docs|redoc|health)")
"""The paths under which a service speaks of itself, whatever follows the last three."""
_SENDABLE_PATH = re.compile(r"/[^\x00-\x20\x7f?#\\]*\Z")
_TEMPLATE_VARIABLE = re.compile(r"\{([^{}]+)\}")


def operations(document: Document) -> Iterator[Operation | Skipped]:
    """Every operation of the document, path by path, read when it is asked for.

    Raises ``DocumentTooComplex`` in the middle when there are more than ``MAX_OPERATIONS``.
    """
    for count, operation in enumerate(_Walk(document).all()):
        if count >= MAX_OPERATIONS:
            raise DocumentTooComplex(f"the document has more than {MAX_OPERATIONS:,} operations")
        yield operation


@dataclass(frozen=True, slots=True)
class _PathItem:
    """What the operations of one path share."""

    kind: OperationKind
    path: str
    pointer: str
    node: Mapping[str, object]
    notes: Notes
    parameters: RawParameters


class _Walk:
    """One pass over one document."""

    def __init__(self, document: Document) -> None:
        self._data = data = document.data
        self._is_swagger2 = document.is_swagger2
        self._references = References(data)
        self._parameters = ParameterReader(self._references, is_swagger2=self._is_swagger2)
        self._bodies = BodyReader(self._references)
        components = data.get("components")
        schemes = components.get("securitySchemes") if isinstance(components, dict) else None
        schemes = data.get("securityDefinitions") if self._is_swagger2 else schemes
        self._security = SecurityReader(self._references, schemes)

    def all(self) -> Iterator[Operation | Skipped]:
        for section, kind in (("paths", OperationKind.CALL), ("webhooks", OperationKind.STORE)):
            nodes = self._data.get(section)
            seen: set[str] = set()
            for key, node in nodes.items() if isinstance(nodes, dict) else ():
                path = _path(kind, key)
                if key.startswith("x-"):
                    continue
                if path in seen:
                    yield Skipped("*", path, "the path is described twice")
                    continue
                seen.add(path)
                yield from self._path_item(kind, path, node, join_pointer("", section, key))

    def _path_item(
        self, kind: OperationKind, path: str, node: object, pointer: str
    ) -> Iterator[Operation | Skipped]:
        notes = Notes()
        found = self._references.mapping(node, pointer, notes)
        if found is None:
            yield Skipped("*", path, notes.oddities[0].message)
            return
        if isinstance(node, dict) and found is not node:
            found = {**found, **node}  # what stands beside the $ref is closer
        shared = self._parameters.collect(found.get("parameters"), join_pointer(pointer, "parameters"), notes)
        item = _PathItem(kind, path, pointer, found, notes, shared)
        for method in _METHODS:
            if method in found:
                yield self._operation(item, method)
        for method in _UNSENT_METHODS:
            if method in found:
                yield Skipped(method.upper(), path, f"{method.upper()} requests are not sent")

    def _operation(self, item: _PathItem, method: str) -> Operation | Skipped:
        verb, pointer = method.upper(), join_pointer(item.pointer, method)
        if problem := _path_problem(item):
            return Skipped(verb, item.path[:LONGEST_PATH], problem)
        found = Notes()
        node = self._references.mapping(item.node[method], pointer, found)
        if node is None:
            return Skipped(verb, item.path, found.oddities[0].message)
        if reason := _left_out(item, node):
            return Skipped(verb, item.path, reason, is_deliberate=True)
        notes = Notes(list(item.notes.oddities), item.notes.is_degraded)
        parameters, body = self._inputs(item, node, pointer, notes)
        if len(parameters) > MAX_PARAMETERS:
            return Skipped(verb, item.path, f"the operation has more than {MAX_PARAMETERS} parameters")
        return Operation(
            kind=item.kind,
            method=verb,
            path=item.path,
            pointer=pointer,
            operation_id=_operation_id(node, pointer, notes),
            summary=_text(node.get("summary"), LONGEST_SUMMARY),
            description=_first_paragraph(node.get("description")),
            tags=_tags(node.get("tags")),
            is_deprecated=node.get("deprecated") is True,
            handler_name=_text(node.get("x-handler-name"), LONGEST_SUMMARY),
            parameters=parameters,
            body=body,
            security=self._requirements(node, pointer, notes),
            servers=self._servers(item, node),
            default_args=default_args(parameters, body, pointer, notes),
            is_degraded=notes.is_degraded,
            warnings=tuple(notes.oddities),
        )

    def _inputs(
        self, item: _PathItem, node: Mapping[str, object], pointer: str, notes: Notes
    ) -> tuple[tuple[Parameter, ...], RequestBody | None]:
        own = self._parameters.collect(node.get("parameters"), join_pointer(pointer, "parameters"), notes)
        raw = item.parameters | own
        parameters = self._parameters.read(raw, notes)
        if item.kind is OperationKind.CALL:
            parameters += _undeclared(item.path, parameters, pointer, notes)
        if self._is_swagger2:
            body = self._bodies.read_swagger2(raw, node.get("consumes", self._data.get("consumes")), notes)
        else:
            body = self._bodies.read(node.get("requestBody"), join_pointer(pointer, "requestBody"), notes)
        return tuple(parameters), body

    def _requirements(self, node: Mapping[str, object], pointer: str, notes: Notes) -> Security:
        """The operation's own, else the document's; an empty list of its own asks for nothing."""
        if "security" in node:
            return self._security.read(node["security"], join_pointer(pointer, "security"), notes)
        return self._security.read(self._data.get("security"), "/security", notes)

    def _servers(self, item: _PathItem, node: Mapping[str, object]) -> tuple[str, ...]:
        """Of the nearest level that names any: operation, path, document."""
        if self._is_swagger2:
            return swagger2_servers(self._data, node.get("schemes"))
        levels = (node.get("servers"), item.node.get("servers"), self._data.get("servers"))
        return next((urls for level in levels if (urls := listed_servers(level))), ())


def _path(kind: OperationKind, key: str) -> str:
    if kind is OperationKind.STORE:
        return f"webhooks/{key}"
    return key if key.startswith("/") else f"/{key}"


def _path_problem(item: _PathItem) -> str | None:
    if len(item.path) > LONGEST_PATH:
        return "the path is too long"
    if item.kind is OperationKind.CALL and not _SENDABLE_PATH.match(item.path):
        return "the path holds a character that no path may hold"
    return None


def _left_out(item: _PathItem, node: Mapping[str, object]) -> str | None:
    if node.get("x-handler", item.node.get("x-handler")) is False:
        return "x-handler is false"
    if item.kind is OperationKind.CALL and _ABOUT_ITSELF.match(item.path):
        return "the path serves documentation or health"
    return None


def _undeclared(path: str, declared: list[Parameter], pointer: str, notes: Notes) -> list[Parameter]:
    """Parameters for the variables of the path that the document forgot to declare."""
    known = {parameter.name for parameter in declared if parameter.location == "path"}
    added = []
    for name in dict.fromkeys(_TEMPLATE_VARIABLE.findall(path)):
        if name not in known and len(name) <= LONGEST_NAME:
            notes.add(pointer, f"the path variable {quote(name)} is not declared as a parameter")
            added.append(Parameter(name, "path", required=True, style="simple", explode=False))
    return added


def _operation_id(node: Mapping[str, object], pointer: str, notes: Notes) -> str | None:
    stated = node.get("operationId")
    if stated is None or (isinstance(stated, str) and 0 < len(stated) <= LONGEST_OPERATION_ID):
        return stated
    notes.add(pointer, "`operationId` is not a text of usable length; it was ignored")
    return None


def _tags(stated: object) -> tuple[str, ...]:
    tags = stated if isinstance(stated, list) else []
    return tuple(tag for tag in tags if isinstance(tag, str))[:MAX_TAGS]


def _first_paragraph(text: object) -> str | None:
    first = text.strip().partition("\n\n")[0] if isinstance(text, str) else None
    return _text(first, LONGEST_DESCRIPTION)


def _text(text: object, longest: int) -> str | None:
    """The text on one line, cut to ``longest`` characters; None when it says nothing."""
    if not isinstance(text, str):
        return None
    line = " ".join(text[: 2 * longest].split())
    return (line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}") or None
