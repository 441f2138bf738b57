"""Clients that wear a server out: bodies without end, bodies in drops, sockets that say nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import uvloop

from harness.service import allow_many_files
from harness.webhooks import Webhook

HUGE = 100_000_000
PIECE = b"x" * 65_536
AGAIN_S = 0.1
"""Until one that was refused comes back."""
DROP_S = 0.1
DROPS = 1024
SETTLE_S = 1.0


@dataclass(slots=True)
class Done:
    """What the attackers of this process have done so far."""

    connections: int = 0
    sent: int = 0


Client = Callable[[Webhook, Done], Awaitable[None]]


def push(pipe: Connection, webhook: Webhook, clients: int) -> None:
    """Bodies of 100 MB, every other one chunked, so that no header tells how long it is; sent as fast as they
    are taken."""
    _run(pipe, webhook, [(_push, _push_chunked)[number % 2] for number in range(clients)])


def drip(pipe: Connection, webhook: Webhook, clients: int) -> None:
    """Bodies of a kilobyte, one byte in a tenth of a second."""
    _run(pipe, webhook, [_drip] * clients)


def idle(pipe: Connection, webhook: Webhook, clients: int) -> None:
    """Sockets that connect and say nothing."""
    _run(pipe, webhook, [_wait] * clients)


def _run(pipe: Connection, webhook: Webhook, clients: list[Client]) -> None:
    """Until the process is ended: who is refused or cut off begins again. Answers anything with ``Done``."""

    async def run() -> None:
        done = Done()
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(_again(client, webhook, done))
            await asyncio.sleep(SETTLE_S)
            asyncio.get_running_loop().add_reader(pipe.fileno(), _tell, pipe, done)
            pipe.send(len(clients))

    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _tell(pipe: Connection, done: Done) -> None:
    pipe.recv()
    pipe.send(done)


async def _again(client: Client, webhook: Webhook, done: Done) -> None:
    while True:
        with suppress(OSError, EOFError):
            await client(webhook, done)
        await asyncio.sleep(AGAIN_S)


async def _push(webhook: Webhook, done: Done) -> None:
    await _push_pieces(webhook, done, f"Content-Length: {HUGE}", PIECE)


async def _push_chunked(webhook: Webhook, done: Done) -> None:
    await _push_pieces(webhook, done, "Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


async def _push_pieces(webhook: Webhook, done: Done, length: str, piece: bytes) -> None:
    reader, writer = await _begin(webhook, done, length)
    answer = asyncio.ensure_future(reader.read(1))
    try:
        for _ in range(HUGE // len(PIECE)):
            if answer.done():  # refused: no use to go on
                break
            writer.write(piece)
            await writer.drain()
            done.sent += len(piece)
        await answer
    finally:
        answer.cancel()
        writer.close()


async def _drip(webhook: Webhook, done: Done) -> None:
    reader, writer = await _begin(webhook, done, f"Content-Length: {DROPS}")
    try:
        for _ in range(DROPS):
            if reader.at_eof():
                break
            writer.write(b"x")
            await writer.drain()
            done.sent += 1
            await asyncio.sleep(DROP_S)
    finally:
        writer.close()


async def _wait(webhook: Webhook, done: Done) -> None:
    done.connections += 1
    reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port)
    try:
        await reader.read()
    finally:
        writer.close()


async def _begin(
    webhook: Webhook, done: Done, length: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    done.connections += 1
    reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port)
    head = (
        f"POST {webhook.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={'0' * 64}\r\nX-GitHub-Delivery: hostile\r\n{length}\r\n\r\n"
    )
    writer.write(head.encode())
    return reader, writer
