"""All that is done to a document before the database is asked: CPU work, for a thread."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from app.models import OpenApiDocument
from app.openapi_sync.differences import Difference, differences
from app.openapi_sync.document import read
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.operation import Operation, Skipped
from app.openapi_sync.operations import operations

COMPRESSION = 3
"""zlib's level: half of the time that its default takes, for a quarter more bytes."""


@dataclass(frozen=True, slots=True)
class Reading:
    content_hash: str
    version: str
    warnings: tuple[Oddity, ...]
    described: tuple[Operation | Skipped, ...] = field(repr=False)
    compressed: bytes = field(repr=False)
    """The bytes as they came, by zlib."""
    is_known: bool
    """Whether these bytes are those that the last sync of this source had."""
    differences: tuple[Difference, ...] = ()
    """From the document that it was to be compared with."""


@cache
def reader() -> str:
    """Which code reads: another one may find something else in the same document."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def read_document(
    raw: bytes,
    known: OpenApiDocument | None,
    *,
    before: bytes | None = None,
    oddities: Sequence[Oddity] = (),
) -> Reading:
    """``before``: an older document, compressed. ``oddities``: of the files that ``raw`` was made of. Raises
    what ``read`` and ``operations`` raise."""
    made = _reading(raw, None, known, before)
    return replace(made, warnings=(*oddities, *made.warnings)) if oddities else made


def read_again(compressed: bytes, known: OpenApiDocument, *, before: bytes | None = None) -> Reading:
    """The ``known`` document: it has not changed, but the selection or the handlers may have."""
    return _reading(zlib.decompress(compressed), compressed, known, before)


def _reading(
    raw: bytes, compressed: bytes | None, known: OpenApiDocument | None, before: bytes | None
) -> Reading:
    document = read(raw)
    return Reading(
        content_hash=document.content_hash,
        version=document.version,
        warnings=document.warnings,
        described=tuple(operations(document)),
        compressed=compressed or zlib.compress(raw, COMPRESSION),
        is_known=known is not None and known.content_hash == document.content_hash,
        differences=tuple(differences(read(zlib.decompress(before)), document)) if before else (),
    )
