"""All that is done to a document before the database is asked: CPU work, for a thread."""

import zlib
from dataclasses import dataclass, field

from app.models import OpenApiDocument
from app.openapi_sync.document import read
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.operation import Operation, Skipped
from app.openapi_sync.operations import operations


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


def read_document(raw: bytes | None, known: OpenApiDocument | None) -> Reading:
    """``raw`` is None when the ``known`` document has not changed.

    An unchanged document is read all the same: the selection may be another one, and handlers may have gone.
    Raises what ``read`` and ``operations`` raise.
    """
    if raw is None:
        raw = zlib.decompress(known.compressed) if known else b""
    document = read(raw)
    is_known = known is not None and known.content_hash == document.content_hash
    return Reading(
        content_hash=document.content_hash,
        version=document.version,
        warnings=document.warnings,
        described=tuple(operations(document)),
        compressed=known.compressed if known and is_known else zlib.compress(raw),
        is_known=is_known,
    )
