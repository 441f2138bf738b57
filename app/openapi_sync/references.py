"""Follows ``$ref`` inside one document, lazily: one reference at a time, never a whole schema.

Resolving everything up front is what makes other readers fail: schemas refer to themselves, and to each other
exponentially often.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from app.openapi_sync.errors import DocumentTooComplex
from app.openapi_sync.file_places import FILES, as_written
from app.openapi_sync.oddities import Notes, Oddity, Place, escaped, quote, unescaped
from app.openapi_sync.pieces import P, Piece, children, take, value_of

MAX_CHAIN = 32
"""References that may lead to references before the chain is given up; it also ends every cycle."""
MAX_STEPS = 16
"""Each step looks through all that stands below it, so they are what following a reference costs."""

MAX_HOPS = 1_000_000
"""References that are followed in one document; a sync of one that has 1,500 operations follows 4,000."""
LARGEST_VALUE = 2 * 1024 * 1024
"""Bytes made objects of at a time: the largest operation known, with what it refers to, has a third."""

_TOP = ("paths", "webhooks", "components", "definitions", "parameters", "responses")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

Section = dict[str, Raw] | list[Raw]


class Dangling(Exception):
    """A reference that leads nowhere; the text says which and why."""


class References:
    """Resolves JSON References (RFC 6901 pointers in URI fragments) against one document."""

    def __init__(self, text: bytes, opened: Mapping[str, Section]) -> None:
        """``opened`` are sections that were looked through already, by the reference to each."""
        self._root = Raw(text)
        self._opened: dict[str, Section | None] = dict(opened)
        self._taken: dict[tuple[str, type[Piece]], object] = {}
        self._values: dict[str, object] = {}
        self._hops = 0
        self.read_bytes = 0
        """How much was made objects of."""

    def follow(self, found: object, kind: type[P], place: Place, notes: Notes) -> P | None:
        """The ``kind`` that ``found`` is or stands for; None, and a note, when there is none."""
        if isinstance(found, kind) and not isinstance(found.ref, str):
            return found
        try:
            found = self._end(found, kind)
        except Dangling as problem:
            notes.degrade(place, str(problem))
            return None
        if isinstance(found, kind):
            return found
        notes.add(place, "this is not an object")
        return None

    def at(self, place: Place, kind: type[P]) -> P | object:
        """What stands at a place, references on the way there followed. Raises ``Dangling``."""
        return take(kind, self._raw_at(place)[0])

    def value_at(self, place: Place) -> object:
        """As ``at``, and all of it."""
        return self.value(self._made(self._raw_at(place)[0]))

    def located(self, oddity: Oddity) -> Oddity:
        """With the file that it is in, and the pointer there, when it is in another one."""
        try:
            _, path = self._raw_at(tuple(map(unescaped, oddity.pointer.split("/")[1:])))
        except Dangling:  # the pointer leads to something that should be there
            return oddity
        return Oddity(as_written(path), oddity.message) if path.startswith(f"#/{FILES}/") else oddity

    def value(self, found: object) -> object:
        """All that ``found`` is or stands for; references inside of it stay. Raises ``Dangling``."""
        for _ in range(MAX_CHAIN):
            if not isinstance(found, dict) or not isinstance(reference := found.get("$ref"), str):
                return found
            plain = _local(reference)
            if plain not in self._values:
                self._values[plain] = self._made(self._raw(plain))
            found = self._values[plain]
        raise Dangling(f"the reference leads in a circle or through more than {MAX_CHAIN} others")

    def _made(self, raw: Raw) -> object:
        size = len(memoryview(raw))
        if size > LARGEST_VALUE:
            raise Dangling("what is referred to is too large")
        self.read_bytes += size
        return value_of(raw)

    def _raw_at(self, place: Place) -> tuple[Raw, str]:
        """And the reference that leads straight there."""
        node, path = self._root, "#"
        for key in place:
            inside = self._inside(path, node)
            for _ in range(MAX_CHAIN):
                if not isinstance(inside, dict) or key in inside or "$ref" not in inside:
                    break
                path = _local(msgspec.json.decode(inside["$ref"]))
                node = self._raw(path)
                inside = self._inside(path, node)
            step = escaped(str(key))
            path = f"{path}/{step}"
            node = self._step(inside, step, path)
        return node, path

    def _end(self, found: object, kind: type[P]) -> object:
        for _ in range(MAX_CHAIN):
            if not isinstance(found, kind) or not isinstance(found.ref, str):
                return found
            found = self._target(found.ref, kind)
        raise Dangling(f"the reference leads in a circle or through more than {MAX_CHAIN} others")

    def _target(self, reference: str, kind: type[P]) -> object:
        self._hops += 1
        if self._hops > MAX_HOPS:
            raise DocumentTooComplex(f"more than {MAX_HOPS:,} references of the document lead somewhere")
        plain = _local(reference)
        if (plain, kind) not in self._taken:
            self._taken[plain, kind] = take(kind, self._raw(plain))
        return self._taken[plain, kind]

    def _raw(self, reference: str) -> Raw:
        around, _, step = reference.rpartition("/")
        if around in self._opened:
            return self._step(self._opened[around], step, reference)
        steps = reference.split("/", MAX_STEPS + 1)[1:]
        if len(steps) > MAX_STEPS:
            raise Dangling(f"the reference {quote(as_written(reference))} has more than {MAX_STEPS} steps")
        node, path = self._root, "#"
        for step in steps:
            node = self._step(self._inside(path, node), step, reference)
            path = f"{path}/{step}"
        return node

    def _inside(self, path: str, node: Raw) -> Section | None:
        if path not in self._opened:
            self._opened[path] = children(node)
        return self._opened[path]

    def _step(self, around: Section | None, step: str, reference: str) -> Raw:
        token = unescaped(step)
        if isinstance(around, dict) and token in around:
            return around[token]
        if isinstance(around, list) and _INDEX.fullmatch(token) and int(token) < len(around):
            return around[int(token)]
        raise Dangling(f"the reference {quote(as_written(reference))} leads nowhere")


def sections(text: bytes) -> dict[str, Section]:
    """What stands at the top of a document, looked through once for all who ask for parts of it."""
    found: dict[str, Section] = {}
    waiting = [("#", Raw(text))]
    for reference, raw in waiting:
        inside = children(raw)
        if inside is None:
            continue
        found[reference] = inside
        below = inside if isinstance(inside, dict) else {}
        names = {"#": _TOP, "#/components": below}.get(reference, ())
        waiting += [(f"{reference}/{name}", below[name]) for name in names if name in below]
    return found


def _local(reference: object) -> str:
    """Without the fragment's percent-encoding (RFC 6901, section 6) and with the escapes that are needed, so
    that no spelling is read twice."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise Dangling(f"the reference {quote(reference)} leads out of the document")
    if reference[1:2] not in {"", "/"}:
        raise Dangling(f"the reference {quote(reference)} is not a JSON Pointer")
    if "%" not in reference and "~" not in reference:
        return reference
    return "/".join(escaped(unescaped(unquote(step))) for step in reference.split("/"))
