"""Bare calls of an upstream by the Python clients there are, each as its makers recommend."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec

import aiohttp
import httpx2
import uvloop

AIOHTTP, HTTPX2, PYREQWEST = "aiohttp", "httpx2", "pyreqwest"
HEADERS = {"Content-Type": "application/json"}
SUCCESS = 200
MILLI = 1000

Post = Callable[[], Awaitable[int]]
"""Posts, reads the whole answer, and returns its status."""


def installed() -> list[str]:
    return [name for name in (AIOHTTP, HTTPX2, PYREQWEST) if find_spec(name)]


def run(client: str, url: str, size: int, concurrency: int, seconds: float) -> tuple[float, float]:
    """Calls per second, and processor milliseconds of each; to be called in a process of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(
            _run(client, f"{url}/in", b'{"text":"' + b"x" * (size - 11) + b'"}', concurrency, seconds)
        )


async def _run(client: str, url: str, body: bytes, concurrency: int, seconds: float) -> tuple[float, float]:
    async with _CLIENTS[client](url, body, concurrency) as post:
        await asyncio.gather(*(post() for _ in range(concurrency)))  # connects
        began, processor = time.perf_counter(), time.process_time()
        counts = await asyncio.gather(*(_post_until(began + seconds, post) for _ in range(concurrency)))
        elapsed, spent = time.perf_counter() - began, time.process_time() - processor
    return sum(counts) / elapsed, spent * MILLI / max(1, sum(counts))


async def _post_until(end: float, post: Post) -> int:
    count = 0
    while time.perf_counter() < end:
        status = await post()
        if status != SUCCESS:
            raise SystemExit(f"the upstream answered {status}")
        count += 1
    return count


@asynccontextmanager
async def _aiohttp(url: str, body: bytes, concurrency: int) -> AsyncIterator[Post]:
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def post() -> int:
            async with session.post(url, data=body) as response:
                await response.read()
                return response.status

        yield post


@asynccontextmanager
async def _httpx2(url: str, body: bytes, concurrency: int) -> AsyncIterator[Post]:
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx2.AsyncClient(headers=HEADERS, limits=limits) as client:

        async def post() -> int:
            return (await client.post(url, content=body)).status_code

        yield post


@asynccontextmanager
async def _pyreqwest(url: str, body: bytes, concurrency: int) -> AsyncIterator[Post]:
    builder = import_module("pyreqwest.client").ClientBuilder()
    builder = builder.max_connections(concurrency).default_headers(HEADERS)
    async with builder.build() as client:

        async def post() -> int:
            response = await client.post(url).body_bytes(body).build().send()
            await response.bytes()
            return int(response.status)

        yield post


_CLIENTS = {AIOHTTP: _aiohttp, HTTPX2: _httpx2, PYREQWEST: _pyreqwest}
