"""Whose address the application sees: over loopback, by a server that is configured as ours is."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn

from app.core.boot import Misconfigured
from app.core.settings import Settings, load
from app.server.process import server_config

pytestmark = pytest.mark.anyio

STRANGER, CLIENT = "198.51.100.66", "203.0.113.9"


async def show_client(scope, receive, send) -> None:
    """An application that answers with the client and the scheme that it was given."""
    body = json.dumps([scope["client"][0], scope["scheme"]]).encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serve(*proxies: str, host: str = "127.0.0.1"):
    """The address of a server that trusts these proxies."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dual = {"dualstack_ipv6": True} if host == "::" else {}
    listener = socket.create_server((host, 0), family=family, **dual)
    settings = Settings(_env_file=None, trusted_proxies=",".join(proxies))
    server = uvicorn.Server(server_config(show_client, settings))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def seen(port: int, *headers: str) -> list[str]:
    """The client and scheme that a request from 127.0.0.1 is taken for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = ["GET / HTTP/1.1", "Host: x", *headers, "", ""]
    writer.write("\r\n".join(head).encode("latin-1"))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class TestNobodyTrusted:
    async def test_sees_the_peer_whatever_it_claims(self):
        async with serve() as port:
            claims = (
                f"X-Forwarded-For: {CLIENT}",
                "X-Forwarded-Proto: https",
                f"Forwarded: for={CLIENT}",
                f"X-Real-IP: {CLIENT}",
                f"CF-Connecting-IP: {CLIENT}",
            )
            assert await seen(port, *claims) == ["127.0.0.1", "http"]

    async def test_ignores_a_default_of_the_server(self, monkeypatch):
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
        async with serve() as port:
            assert await seen(port, f"X-Forwarded-For: {CLIENT}") == ["127.0.0.1", "http"]


class TestAnotherProxy:
    async def test_lets_a_stranger_claim_nothing(self):
        async with serve("192.0.2.1", "10.0.0.0/8", "2001:db8::/32") as port:
            claims = (f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https")
            assert await seen(port, *claims) == ["127.0.0.1", "http"]


class TestATrustedProxy:
    @pytest.mark.parametrize("proxy", ["127.0.0.1", "127.0.0.1/32", "127.9.9.9/8", "::ffff:127.0.0.1"])
    async def test_says_whom_it_speaks_for(self, proxy):
        async with serve(proxy) as port:
            headers = (f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https")
            assert await seen(port, *headers) == [CLIENT, "https"]

    async def test_is_the_client_where_it_says_nothing(self):
        async with serve("127.0.0.1") as port:
            assert await seen(port) == ["127.0.0.1", "http"]

    @pytest.mark.parametrize(
        "headers",
        [
            (f"X-Forwarded-For: {STRANGER}, {CLIENT}",),
            (f"X-Forwarded-For: {STRANGER}", f"X-Forwarded-For: {CLIENT}"),
            (f"X-Forwarded-For: 127.0.0.1, {CLIENT}",),
            (f"X-Forwarded-For: {STRANGER}, {CLIENT}:4711",),
            (f"X-Forwarded-For: {STRANGER}, {CLIENT}, 127.0.0.1",),
        ],
    )
    async def test_is_believed_and_what_the_client_wrote_before_is_not(self, headers):
        """Each proxy appends whom it heard from: the last that is no proxy of ours is the client."""
        async with serve("127.0.0.1") as port:
            assert (await seen(port, *headers))[0] == CLIENT

    async def test_hands_on_what_is_no_address_as_none(self):
        async with serve("127.0.0.1") as port:
            assert (await seen(port, "X-Forwarded-For: unknown"))[0] == "unknown"

    async def test_is_known_by_a_socket_for_both_families(self):
        if not socket.has_dualstack_ipv6():
            pytest.skip("this machine has no dual-stack sockets")
        async with serve("127.0.0.1", host="::") as port:
            assert (await seen(port, f"X-Forwarded-For: {CLIENT}"))[0] == CLIENT


class TestTheSetting:
    @pytest.mark.parametrize("value", ["*", "proxy.internal", "10.0.0.0/33", "10.0.0.1,*"])
    def test_refuses_what_would_trust_everybody_or_nobody(self, value):
        with pytest.raises(Misconfigured, match="JACKFIELD_TRUSTED_PROXIES: "):
            load(trusted_proxies=value)

    def test_is_read_in_one_form(self):
        assert load(trusted_proxies="10.1.2.3/8, ::1").trusted_proxies == ("10.0.0.0/8", "::1/128")
