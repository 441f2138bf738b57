"""A raw client and a real server, for claims about bytes on a socket."""

import json
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn

PATIENCE = 10.0
"""Seconds after which a test fails instead of waiting on: far more than any limit under test."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self):
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)

    @property
    def closes(self):
        return self.headers.get("connection") == "close"


class Client:
    """One connection. Reading waits for the server, up to ``PATIENCE``."""

    def __init__(self, port, *, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._unread = b""

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def flood(self, length, piece=b"x" * 65536):
        """Send up to ``length`` bytes as fast as they are taken; how many were, until the server left."""
        sent = 0
        with suppress(ConnectionError):
            while sent < length:
                sent += self.socket.send(piece)
        return sent

    def drip(self, piece, every=0.02):
        """Send byte after byte until the server says something; what it said, or nothing if it left."""
        position = 0
        while True:
            try:
                self.socket.sendall(piece[position % len(piece) :][:1])
                position += 1
                self.socket.settimeout(every)
                received = self.socket.recv(65536)
            except TimeoutError:
                continue
            finally:
                self.socket.settimeout(PATIENCE)
            self._unread += received
            return received

    def answer(self):
        """The next response."""
        head = self._until(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines)
        status = int(status_line.split(" ")[1])
        return Answer(status, headers, self._exactly(int(headers.get("content-length", 0))))

    def rest(self):
        """Everything until the server ends the connection."""
        while received := self.socket.recv(65536):
            self._unread += received
        unread, self._unread = self._unread, b""
        return unread

    def close(self):
        self.socket.close()

    def _until(self, end):
        while end not in self._unread:
            self._more()
        length = self._unread.index(end) + len(end)
        return self._exactly(length)

    def _exactly(self, length):
        while len(self._unread) < length:
            self._more()
        taken, self._unread = self._unread[:length], self._unread[length:]
        return taken

    def _more(self):
        received = self.socket.recv(65536)
        assert received, f"the connection ended after {self._unread!r}"
        self._unread += received


@contextmanager
def serve(app, protocol, *, loop="auto", **options):
    """Run uvicorn in a thread; the port it listens on."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=protocol, ws="none", loop=loop, lifespan="off", log_config=None, access_log=False, **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
