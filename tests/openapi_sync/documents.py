"""Small documents, built in code."""

from collections.abc import Mapping

import orjson

from app.openapi_sync.document import Document, read
from app.openapi_sync.operation import Operation, OperationKind, Skipped
from app.openapi_sync.operations import operations


def openapi(paths: Mapping[str, object] | None = None, **more: object) -> Document:
    """A 3.0 document, through the reader."""
    return read(orjson.dumps({"openapi": "3.0.3", "paths": paths or {}, **more}))


def swagger(paths: Mapping[str, object], **more: object) -> Document:
    return read(orjson.dumps({"swagger": "2.0", "paths": paths, **more}))


def only(document: Document) -> Operation:
    """The one operation of a document."""
    [operation] = operations(document)
    assert isinstance(operation, Operation)
    return operation


def only_skipped(document: Document) -> Skipped:
    [skipped] = operations(document)
    assert isinstance(skipped, Skipped)
    return skipped


def operation(method: str = "GET", path: str = "/pets", operation_id: str | None = None, **more) -> Operation:
    kind = OperationKind.CALL if path.startswith("/") else OperationKind.STORE
    return Operation(kind, method, path, ("paths", path, method.lower()), operation_id, **more)
