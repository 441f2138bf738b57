"""The documents that tools are described by, read once for all who ask. A process keeps the last few."""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from uuid import UUID

from app.openapi_sync.document import read
from app.openapi_sync.operation import Operation
from app.openapi_sync.operations import operations
from app.openapi_sync.references import sections
from app.openapi_sync.tool_schemas import ToolSchemas

MAX_BYTES = 64 * 1024 * 1024
"""Of all documents kept; one that is larger is kept alone, until another is asked for."""


class DescribedDocument:
    """A document and its operations, by method and path."""

    def __init__(self, compressed: bytes) -> None:
        self._document = document = read(zlib.decompress(compressed))
        self.size = len(document.text)
        self._sections = sections(document.text)
        self.operations = {
            (one.method, one.path): one for one in operations(document) if isinstance(one, Operation)
        }

    def schemas(self) -> ToolSchemas:
        """Another one each time: it keeps what it looks at, in the end many times the document."""
        return ToolSchemas(self._document, self._sections)


class DocumentLibrary:
    """Documents by id: a snapshot never changes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[UUID, DescribedDocument] = OrderedDict()
        self._turn = asyncio.Semaphore(1)

    async def get(self, id: UUID, load: Callable[[], Awaitable[bytes]]) -> DescribedDocument:
        """``load`` is asked for the compressed bytes of a document that is not there."""
        if id not in self._kept:
            async with self._turn:
                if id not in self._kept:
                    self._keep(id, await asyncio.to_thread(DescribedDocument, await load()))
        self._kept.move_to_end(id)
        return self._kept[id]

    def _keep(self, id: UUID, document: DescribedDocument) -> None:
        self._kept[id] = document
        while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > self._max_bytes:
            self._kept.popitem(last=False)
