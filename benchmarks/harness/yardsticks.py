"""What the service is measured against, on the server that it runs on: uvicorn, httptools, uvloop."""

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import uvicorn
import uvloop

BACKLOG = 2048

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_TABLES = """
    CREATE TABLE IF NOT EXISTS requests (
        id uuid PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now(), method text NOT NULL,
        path text NOT NULL, headers jsonb NOT NULL, body bytea NOT NULL, peer text
    );
    CREATE TABLE IF NOT EXISTS dedup_keys (
        path text, key text, request_id uuid NOT NULL, PRIMARY KEY (path, key)
    );
    CREATE TABLE IF NOT EXISTS executions (
        id uuid PRIMARY KEY, status text NOT NULL, attempts integer NOT NULL, due_at timestamptz
    );
    CREATE INDEX IF NOT EXISTS ix_executions_due ON executions (due_at) WHERE due_at IS NOT NULL;
"""
_INSERT = """
    WITH reserved AS (
        INSERT INTO dedup_keys (path, key, request_id) VALUES ($3, $6, $1)
        ON CONFLICT DO NOTHING RETURNING request_id
    ), queued AS (
        INSERT INTO executions (id, status, attempts, due_at)
        SELECT request_id, 'queued', 0, now() FROM reserved
    )
    INSERT INTO requests (id, method, path, headers, body, peer)
    SELECT $1, $2, $3, $4, $5, $7 FROM reserved
"""


def serve_echo(pipe: Connection) -> None:
    """A bare ASGI application in a process of its own; sends its port."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, echo))


def serve_one_commit(pipe: Connection, dsn: str, secret: bytes, connections: int) -> None:
    """Request, dedup key and execution of what is verified, one transaction per request; sends its port."""

    async def serve() -> None:
        async with asyncpg.create_pool(dsn, min_size=connections, max_size=connections) as pool:
            await pool.execute(_TABLES)
            await _serve(pipe, OneCommit(pool, secret))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


async def count_requests(connection: asyncpg.Connection) -> int:
    """That the second has kept."""
    return int(await connection.fetchval("SELECT count(*) FROM requests"))


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    body = await _read(receive)
    await _answer(send, 200, body)


class OneCommit:
    def __init__(self, pool: asyncpg.Pool, secret: bytes) -> None:
        self._pool = pool
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        headers = dict(scope["headers"])
        signature = b"sha256=" + hmac.digest(self._secret, body, "sha256").hex().encode()
        if not hmac.compare_digest(signature, headers.get(b"x-hub-signature-256", b"")):
            await _answer(send, 401, b'{"code":"not_verified"}')
            return
        id = uuid4()
        kept = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        await self._pool.execute(
            _INSERT,
            id,
            scope["method"],
            scope["path"],
            orjson.dumps(kept).decode(),
            body,
            headers[b"x-github-delivery"].decode("latin-1"),
            scope["client"][0],
        )
        await _answer(send, 202, orjson.dumps({"executionId": str(id), "status": "queued"}))


async def _read(receive: Receive) -> bytes:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _serve(pipe: Connection, app: App) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        config = uvicorn.Config(
            app, http="httptools", ws="none", lifespan="off", access_log=False, log_level="critical"
        )
        server = uvicorn.Server(config)
        pipe.send(listener.getsockname()[1])
        await server.serve([listener])
