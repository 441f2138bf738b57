"""What a first sync of a document would make, and what finding out costs: no database, no tenant."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.memory import peak_bytes
from app.openapi_sync.document import Document, read
from app.openapi_sync.errors import OperationUnknown
from app.openapi_sync.oddities import Oddity, quote
from app.openapi_sync.operation import Operation, Skipped
from app.openapi_sync.operations import operations
from app.openapi_sync.plan import Creation, plan

MILLI = 1000


@dataclass(frozen=True, slots=True)
class OfflinePlan:
    """Times are processor time. They and ``peak_mb``, which is what the process grew by, include the process
    that YAML is read in."""

    version: str
    create: tuple[Creation, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[Oddity, ...]
    parse_ms: float
    plan_ms: float
    peak_mb: float


def plan_offline(raw: bytes, integration_name: str, oddities: Sequence[Oddity] = ()) -> OfflinePlan:
    """``oddities``: of the files that ``raw`` was made of. Raises what ``read`` and ``operations`` raise."""
    began, size = _processor_s(), peak_bytes()
    document = read(raw)
    parsed = _processor_s()
    made = plan([], operations(document), taken_names=frozenset(), integration_name=integration_name)
    planned = _processor_s()
    return OfflinePlan(
        version=document.version,
        create=made.create,
        skipped=made.skipped,
        warnings=(*oddities, *document.warnings, *made.warnings),
        parse_ms=(parsed - began) * MILLI,
        plan_ms=(planned - parsed) * MILLI,
        peak_mb=(peak_bytes() - size + document.peak_bytes) / 2**20,
    )


def find_operation(raw: bytes, wanted: str) -> tuple[Document, Operation]:
    """The operation of this id, of the handler's name that it would get, or of ``METHOD /path``.

    Raises what ``read`` and ``operations`` raise, and ``OperationUnknown``.
    """
    document = read(raw)
    made = plan([], operations(document), taken_names=frozenset(), integration_name="")
    for names in (
        lambda one: one.operation.operation_id,
        lambda one: one.name,
        lambda one: f"{one.operation.method} {one.operation.path}",
    ):
        found = [one.operation for one in made.create if names(one) == wanted]
        if len(found) == 1:
            return document, found[0]
    raise OperationUnknown(f"no one operation is called {quote(wanted)}")


def _processor_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
