"""Follows ``$ref`` inside one document, lazily: one reference at a time, never a whole schema.

Resolving everything up front is what makes other readers fail: schemas refer to themselves, and to each other
exponentially often.
"""

import re
from urllib.parse import unquote

from app.openapi_sync.oddities import Notes, quote

MAX_CHAIN = 32
"""References that may lead to references before the chain is given up; it also ends every cycle."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class Dangling(Exception):
    """A reference that leads nowhere; the text says which and why."""


class References:
    """Resolves JSON References (RFC 6901 pointers in URI fragments) against one document."""

    def __init__(self, root: dict[str, object]) -> None:
        self._root = root
        self._targets: dict[str, object] = {}

    def resolve(self, node: object) -> object:
        """What ``node`` stands for: itself, unless it is a ``{"$ref": …}``. Raises ``Dangling``."""
        for _ in range(MAX_CHAIN):
            if not isinstance(node, dict):
                return node
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self._target(reference)
        raise Dangling(f"the reference leads in a circle or through more than {MAX_CHAIN} others")

    def mapping(self, node: object, pointer: str, notes: Notes) -> dict[str, object] | None:
        """The object that ``node`` stands for; None, and a note, when there is none."""
        try:
            found = self.resolve(node)
        except Dangling as problem:
            notes.degrade(pointer, str(problem))
            return None
        if isinstance(found, dict):
            return found
        notes.add(pointer, "this is not an object")
        return None

    def _target(self, reference: str) -> object:
        if reference not in self._targets:
            self._targets[reference] = self._look_up(reference)
        return self._targets[reference]

    def _look_up(self, reference: str) -> object:
        if not reference.startswith("#"):
            raise Dangling(f"the reference {quote(reference)} leads out of the document")
        node: object = self._root
        for step in reference[1:].split("/")[1:]:
            # The fragment's percent-encoding is undone first, then the pointer's own (RFC 6901, section 6).
            token = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and token in node:
                node = node[token]
            elif isinstance(node, list) and _INDEX.fullmatch(token) and int(token) < len(node):
                node = node[int(token)]
            else:
                raise Dangling(f"the reference {quote(reference)} leads nowhere")
        return node
