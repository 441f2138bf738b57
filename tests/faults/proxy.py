"""A relay between Jackfield and PostgreSQL that can be slow, silent, or cut at the worst moment.

It understands as much of the protocol as it takes to know when a transaction has ended (PostgreSQL, "Message
Formats"): after the startup, each message of the server is a byte for its kind, a length and a content;
ReadyForQuery (``Z``) says ``I`` when the session is outside a transaction, which a committed one has left.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from enum import Enum

from sqlalchemy.engine import URL

from tests.fixtures.database import DatabaseUrls

_CHUNK = 64 * 1024
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, and no time to send what is left


class Cut(Enum):
    """Where the connection that carries the marked bytes ends."""

    REQUEST = "before the server has them"
    ANSWER = "after the commit, before a byte of the answer to it"
    HALF_ANSWER = "after the commit, within the answer to it"
    SILENCE = "after the commit; nothing more arrives, and nobody closes the connection"


class FaultProxy:
    """``latency_s``: of every answer. ``cuts``: how many marked connections were cut."""

    def __init__(self, server: URL) -> None:
        self.latency_s = 0.0
        self.cuts = 0
        self._server = server
        self._marks: dict[bytes, Cut] = {}
        self._flows = asyncio.Event()
        self._flows.set()
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._listener is not None
        return self._listener.sockets[0].getsockname()[1]

    def urls(self, direct: DatabaseUrls) -> DatabaseUrls:
        """The same database through here, but for its administrator."""
        here = {"host": "127.0.0.1", "port": self.port, "query": {"sslmode": "disable"}}
        return replace(direct, app=direct.app.set(**here), worker=direct.worker.set(**here))

    def cut(self, marker: bytes, at: Cut) -> None:
        """Cut the next connection that carries these bytes to the server."""
        self._marks[marker] = at

    def stall(self) -> None:
        """Pass nothing on, in neither direction, until ``resume``."""
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    def reset(self) -> int:
        """Cut every connection there is; how many those were."""
        links = [*self._links]
        for link in links:
            link.reset()
        return len(links)

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        self.reset()
        self.resume()
        await asyncio.gather(*(link.ended.wait() for link in [*self._links]))

    async def flow(self) -> None:
        await self._flows.wait()

    def find_mark(self, sent: bytes) -> Cut | None:
        """Where to cut the connection that sent this; each mark counts once."""
        marker = next((marker for marker in self._marks if marker in sent), None)
        return None if marker is None else self._marks.pop(marker)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await self._connect()
        except OSError:
            _reset(writer)
            return
        link = _Link(self, (reader, writer), server)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = self._server.query
        host, port = self._server.host or query.get("host"), self._server.port or query.get("port", 5432)
        if str(host).startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(str(host), int(str(port)))


class _Link:
    """One connection of a client's, and the one to the server that stands for it."""

    def __init__(
        self,
        proxy: FaultProxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.ended = asyncio.Event()
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._tail = b""
        self._awaits_ssl = False
        self._cut: Cut | None = None

    async def run(self) -> None:
        pumps = [asyncio.create_task(self._pump_up()), asyncio.create_task(self._pump_down())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in (self._to_client, self._to_server):
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            self.ended.set()

    def reset(self) -> None:
        """Both ends get an RST: what the kernel has not delivered yet is gone."""
        _reset(self._to_client)
        _reset(self._to_server)

    async def _pump_up(self) -> None:
        """From the client to the server."""
        with suppress(OSError):
            while chunk := await self._from_client.read(_CHUNK):
                await self._proxy.flow()
                self._awaits_ssl = self._awaits_ssl or chunk.startswith(_SSL_REQUEST)
                if self._cut is None and (cut := self._proxy.find_mark(self._tail + chunk)):
                    if cut is Cut.REQUEST:
                        self._proxy.cuts += 1
                        self.reset()
                        return
                    self._cut = cut
                self._tail = chunk[-256:]
                self._to_server.write(chunk)
                await self._to_server.drain()

    async def _pump_down(self) -> None:
        """From the server to the client: message by message, so that none is judged by its half."""
        held = b""
        with suppress(OSError):
            while chunk := await self._from_server.read(_CHUNK):
                await self._proxy.flow()
                if self._proxy.latency_s:
                    await asyncio.sleep(self._proxy.latency_s)
                held += chunk
                size, state = self._whole_messages(held)
                if self._cut and state != b"I":
                    # All of the answer to a commit stays here until it is known to be one.
                    size = size if state else 0
                elif self._cut:
                    await self._end(held[:size])
                    return
                self._to_client.write(held[:size])
                held = held[size:]
                await self._to_client.drain()

    def _whole_messages(self, data: bytes) -> tuple[int, bytes]:
        """How many bytes at the start are whole messages, and what the last ReadyForQuery in them says."""
        if self._awaits_ssl and data:
            self._awaits_ssl = False
            return 1, b""
        position, state = 0, b""
        while len(data) >= position + 5:
            (length,) = struct.unpack_from("!i", data, position + 1)
            if len(data) < position + 1 + length:
                break
            if data[position : position + 1] == b"Z":
                state = data[position + 5 : position + 6]
            position += 1 + length
        return position, state

    async def _end(self, answer: bytes) -> None:
        self._proxy.cuts += 1
        if self._cut is Cut.SILENCE:
            await self._from_server.read()  # until the server gives up, or the proxy ends
        if self._cut is Cut.HALF_ANSWER:
            self._to_client.write(answer[: len(answer) // 2])
            await self._to_client.drain()
            self._to_client.close()
            return
        self.reset()


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@asynccontextmanager
async def faulty(server: URL) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the server while the block runs."""
    proxy = FaultProxy(server)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
