"""All that is done to a document before the database is asked: CPU work, for a thread."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from app.models import OpenApiDocument
from app.openapi_sync.differences import Difference, differences
from app.openapi_sync.document import Document, read
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.operation import Operation, Skipped
from app.openapi_sync.operations import operations

NO_OLDER: Mapping[UUID, bytes] = MappingProxyType({})

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
    since: Mapping[UUID, tuple[Difference, ...]] = field(default_factory=dict)
    """From older documents that handlers still agree with, by id."""


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
    older: Mapping[UUID, bytes] = NO_OLDER,
    oddities: Sequence[Oddity] = (),
) -> Reading:
    """``before``, ``older``: older documents, compressed. ``oddities``: of the files that ``raw`` is made of.
    Raises what ``read`` and ``operations`` raise."""
    made = _reading(raw, None, known, before, older)
    return replace(made, warnings=(*oddities, *made.warnings)) if oddities else made


def read_again(
    compressed: bytes,
    known: OpenApiDocument,
    *,
    before: bytes | None = None,
    older: Mapping[UUID, bytes] = NO_OLDER,
) -> Reading:
    """The ``known`` document: it has not changed, but the selection or the handlers may have."""
    return _reading(zlib.decompress(compressed), compressed, known, before, older)


def _reading(
    raw: bytes,
    compressed: bytes | None,
    known: OpenApiDocument | None,
    before: bytes | None,
    older: Mapping[UUID, bytes],
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
        since={id: _since(zlib.decompress(one), raw, document) for id, one in older.items()},
    )


def _since(older: bytes, raw: bytes, document: Document) -> tuple[Difference, ...]:
    return () if older == raw else tuple(differences(read(older), document))
