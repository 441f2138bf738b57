"""Which operations of a document a tenant wants handlers for."""

from dataclasses import dataclass

from app.openapi_sync.operation import Operation


@dataclass(frozen=True, slots=True)
class Criteria:
    """Kinds of criteria; an empty one says nothing.

    A path prefix ends where a segment does: "/pets" covers "/pets/{id}" and not "/petsitters". Methods are in
    capitals.
    """

    tags: frozenset[str] = frozenset()
    path_prefixes: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()

    def verdicts(self, operation: Operation) -> list[bool]:
        """Of each kind that says something, whether the operation meets it."""
        verdicts = []
        if self.tags:
            verdicts.append(not self.tags.isdisjoint(operation.tags))
        if self.path_prefixes:
            verdicts.append(any(_is_below(operation.path, prefix) for prefix in self.path_prefixes))
        if self.methods:
            verdicts.append(operation.method in self.methods)
        return verdicts


@dataclass(frozen=True, slots=True)
class Selection:
    """An operation is selected when it meets all of ``include`` and none of ``exclude``."""

    include: Criteria = Criteria()
    exclude: Criteria = Criteria()

    def covers(self, operation: Operation) -> bool:
        return all(self.include.verdicts(operation)) and not any(self.exclude.verdicts(operation))


EVERYTHING = Selection()


def _is_below(path: str, prefix: str) -> bool:
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")
