"""The audit log as a stream of lines. Pure."""

import csv
import io
from collections.abc import AsyncIterator, Iterator

from app.audit.schemas import AuditRead

COLUMNS = (
    "id", "createdAt", "integrationId", "actorType", "actorId", "actorName", "action",
    "resourceType", "resourceId", "resourceName", "outcome", "ip", "userAgent", "requestId",
)  # fmt: skip

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


async def ndjson(rows: AsyncIterator[AuditRead]) -> AsyncIterator[str]:
    async for row in rows:
        yield row.model_dump_json(by_alias=True) + "\n"


async def as_csv(rows: AsyncIterator[AuditRead]) -> AsyncIterator[str]:
    """RFC 4180. A cell that a spreadsheet would take for a formula gets a leading apostrophe."""
    yield _line(COLUMNS)
    async for row in rows:
        yield _line(_cells(row))


def _cells(row: AuditRead) -> Iterator[str]:
    flat = row.model_dump(by_alias=True, mode="json")
    flat |= {f"actor{name.capitalize()}": value for name, value in flat["actor"].items()}
    flat |= {f"resource{name.capitalize()}": value for name, value in flat["resource"].items()}
    for column in COLUMNS:
        text = str(flat[column]) if flat[column] is not None else ""
        yield f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _line(cells: tuple[str, ...] | Iterator[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
