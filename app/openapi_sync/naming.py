"""Names for the handlers of a document's operations (contract 5.1).

A name is the operation's ``x-handler-name``, else its ``operationId`` in kebab case, else what its path
says. It gets "-" and the first eight hexadecimal digits of SHA-256 over "METHOD path" when another operation
of the same document wants the same name (each of them gets its own digits, so that the order of the document
does not matter), when the tenant has a handler of that name, when it had to be cut, and when nothing is left.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256

from app.openapi_sync.operation import Operation

LONGEST_NAME = 100

_DIGITS = 8
_PARAMETER = re.compile(r"\{[^{}]*\}")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])")
"""Between the words of camelCase: "listURLs|Of|HTTP|Server"."""
_NOT_IN_NAME = re.compile(r"[^a-z0-9_]+")


def assign_names(
    operations: Sequence[Operation],
    *,
    taken: AbstractSet[str],
    integration_name: str,
    shared_paths: AbstractSet[str],
) -> list[str]:
    """A name for each operation, all different and none of them ``taken``.

    ``shared_paths`` are the paths that the document describes more than one method of.
    """
    wanted = [
        wanted_name(one, integration_name=integration_name, is_path_shared=one.path in shared_paths)
        for one in operations
    ]
    counts = Counter(wanted)
    names = {
        index: name
        for index, name in enumerate(wanted)
        if counts[name] == 1 and 0 < len(name) <= LONGEST_NAME and name not in taken
    }
    used = {*taken, *names.values()}
    colliding = [index for index in range(len(operations)) if index not in names]
    for index in sorted(colliding, key=lambda index: (operations[index].path, operations[index].method)):
        names[index] = _distinct(wanted[index], operations[index], used)
        used.add(names[index])
    return [names[index] for index in range(len(operations))]


def wanted_name(operation: Operation, *, integration_name: str, is_path_shared: bool) -> str:
    """The name that the document suggests; empty when it suggests none, and of any length."""
    if operation.handler_name and (name := _slug(operation.handler_name)):
        return name
    if operation.operation_id and (name := _slug(operation.operation_id.replace("_", "-"))):
        return name
    name = _slug("-".join(_static_segments(operation.path, integration_name)))
    return f"{name}-{operation.method.lower()}" if name and is_path_shared else name


def _static_segments(path: str, integration_name: str) -> list[str]:
    segments = [_PARAMETER.sub("-", segment) for segment in path.removeprefix("webhooks/").split("/")]
    segments = [segment for segment in segments if segment.strip("-")]
    if segments and segments[0].casefold() == integration_name.casefold():
        del segments[0]
    return segments


def _slug(text: str) -> str:
    """Lower-case ASCII words joined by "-"; letters with marks lose them, other letters are dropped."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = text if text.islower() else _WORD_START.sub("-", text).lower()
    return _NOT_IN_NAME.sub("-", words).strip("-_")


def _distinct(wanted: str, operation: Operation, used: AbstractSet[str]) -> str:
    base = (wanted or operation.method.lower())[: LONGEST_NAME - 1 - _DIGITS].rstrip("-_")
    hashed = f"{operation.method} {operation.path}".encode()
    while (name := f"{base}-{sha256(hashed).hexdigest()[:_DIGITS]}") in used:
        hashed += b" "  # somebody took even that one
    return name
