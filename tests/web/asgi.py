"""A client without a network, for claims about ASGI middleware."""

import json
from dataclasses import dataclass

from starlette.requests import ClientDisconnect


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def http_scope(path="/", *, method="GET", query=b"", headers=(), **more):
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
        **more,
    }


class Exchange:
    """One request: ``chunks`` is what ``receive`` gives, ``sent`` is what ``send`` got."""

    def __init__(self, scope, chunks=()):
        self.scope = scope
        self.unread = list(chunks)
        self.sent = []

    async def receive(self):
        if not self.unread:
            return {"type": "http.request", "body": b"", "more_body": False}
        chunk = self.unread.pop(0)
        if callable(chunk):
            return await chunk()
        return {"type": "http.request", "body": chunk, "more_body": bool(self.unread)}

    async def send(self, message):
        self.sent.append(message)

    async def run(self, app):
        await app(self.scope, self.receive, self.send)
        return self.answer

    @property
    def answer(self):
        if not self.sent:
            return None
        start, *bodies = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(body["body"] for body in bodies))


async def call(app, path="/", *, chunks=(), **scope):
    """The answer of ``app`` to one request."""
    return await Exchange(http_scope(path, **scope), chunks).run(app)


async def read_body(receive):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message["body"]
        if not message["more_body"]:
            return body


async def respond(send, body=b"ok", status=200):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send):
    await respond(send, await read_body(receive))
