import asyncio
import zlib
from uuid import uuid4

import pytest

from app.openapi_sync.library import DocumentLibrary
from tests.openapi_sync.sofa import document

pytestmark = pytest.mark.anyio


class Shelf:
    """Where documents are loaded from, and how often they were."""

    def __init__(self) -> None:
        self.loaded = 0

    async def load(self) -> bytes:
        self.loaded += 1
        return zlib.compress(document({"/a": {"get": {}}}))


class TestLibrary:
    async def test_reads_a_document_once_for_all(self):
        library, shelf, id = DocumentLibrary(), Shelf(), uuid4()
        found = await asyncio.gather(*(library.get(id, shelf.load) for _ in range(5)))
        assert (shelf.loaded, len(set(found))) == (1, 1)
        assert found[0].operations.keys() == {("GET", "/a")}

    async def test_keeps_no_more_than_it_may(self):
        library, shelf = DocumentLibrary(max_bytes=1), Shelf()
        first, second = uuid4(), uuid4()
        for id in (first, second, second, first):
            await library.get(id, shelf.load)
        assert shelf.loaded == 3

    async def test_forgets_what_was_asked_for_longest_ago(self):
        size = len(document({"/a": {"get": {}}}))
        library, shelf = DocumentLibrary(max_bytes=2 * size), Shelf()
        first, second, third = uuid4(), uuid4(), uuid4()
        for id in (first, second, first, third, first):
            await library.get(id, shelf.load)
        assert shelf.loaded == 3
