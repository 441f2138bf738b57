"""How much a description in several files may take: files, bytes, and how many on their way at once."""

import asyncio

import orjson
import pytest

from app.core.errors import TooLarge
from app.openapi_sync import files as module
from app.openapi_sync.files import MAX_AT_ONCE, gather
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import get
from tests.openapi_sync.test_files import answered, ref

pytestmark = pytest.mark.anyio


def lines(count: int) -> bytes:
    """A description that refers to so many files."""
    return orjson.dumps({"p": [ref(f"f{number}") for number in range(count)]})


class TestAtOnce:
    async def test_are_eight_files(self):
        meeting = asyncio.Barrier(MAX_AT_ONCE)
        on_their_way: set[str] = set()
        most: list[int] = []

        async def read(name: str, _: int) -> bytes:
            on_their_way.add(name)
            await meeting.wait()
            most.append(len(on_their_way))
            on_their_way.remove(name)
            return b"{}"

        await gather("openapi.json", lines(2 * MAX_AT_ONCE), read, max_bytes=10**6)
        assert max(most) == MAX_AT_ONCE

    async def test_is_one_large_file(self, monkeypatch):
        monkeypatch.setattr(module, "MANY_BYTES", 10)
        on_their_way: list[int] = []

        async def read(_: str, most: int) -> bytes:
            if most <= 10:
                raise TooLarge
            on_their_way.append(most)
            await asyncio.get_running_loop().run_in_executor(None, int)
            assert len(on_their_way) == 1
            on_their_way.clear()
            return b"{}" + b" " * 98

        gathered = await gather("openapi.json", lines(20), read, max_bytes=10**6)
        assert len(gathered.files) == 20

    async def test_asks_for_nothing_more_once_there_was_too_much(self, monkeypatch):
        monkeypatch.setattr(module, "MANY_BYTES", 10)
        asked: list[str] = []

        async def read(name: str, _: int) -> bytes:
            asked.append(name)
            raise TooLarge

        gathered = await gather("openapi.json", lines(100), read, max_bytes=10**6)
        assert len(set(asked)) <= MAX_AT_ONCE
        assert len(gathered.missing) == 100
        assert {*gathered.missing.values()} == {"the files of the description are too large together"}


class TestSync:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"document_limit": 2048})

    async def test_follows_files_that_lead_in_a_circle(self, sofa):
        sofa.upstream.answer("/sofa/a/one", answered({"$ref": "../b/two"}))
        sofa.upstream.answer("/sofa/b/two", answered({"$ref": "../a/one"}))
        result = await sofa.sync({"/pets": ref("a/one"), "/others": get("others")})
        assert (result["created"], [one["path"] for one in result["skipped"]]) == (1, ["/pets"])
        assert "in a circle" in result["skipped"][0]["reason"]
        assert len(sofa.upstream.requests) == 3

    async def test_goes_on_without_files_beyond_the_most(self, sofa, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILES", 2)
        for name in "abc":
            sofa.upstream.answer(f"/sofa/{name}", answered(get(name)))
        result = await sofa.sync({f"/{name}": ref(name) for name in "abc"})
        assert (result["created"], len(result["skipped"]), len(sofa.upstream.requests)) == (2, 1, 3)
        assert "more than 2 files" in result["warnings"][0]["message"]

    async def test_goes_on_without_files_beyond_the_limit(self, sofa):
        sofa.upstream.answer("/sofa/large", answered(get("large", summary="x" * 2048)))
        sofa.upstream.answer("/sofa/small", answered(get("small")))
        result = await sofa.sync({"/small": ref("small"), "/large": ref("large"), "/own": get("own")})
        assert {one["path"] for one in result["skipped"]} >= {"/large"}
        assert "too large together" in result["warnings"][0]["message"]

    async def test_reads_a_file_larger_than_most(self, sofa, monkeypatch):
        monkeypatch.setattr(module, "MANY_BYTES", 16)
        sofa.upstream.answer("/sofa/a", answered(get("a")))
        assert (await sofa.sync({"/a": ref("a")}))["created"] == 1

    @pytest.mark.parametrize("status", [404, 500, 304, 204])
    async def test_goes_on_without_what_is_not_answered(self, sofa, status):
        sofa.upstream.answer("/sofa/a", Answer(status))
        result = await sofa.sync({"/a": ref("a"), "/own": get("own")})
        assert (result["created"], [one["path"] for one in result["skipped"]]) == (1, ["/a"])
