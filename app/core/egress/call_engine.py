"""aiohttp's connections, kept where the policy wants them: what carries the calls of ``CallClient``.

It is the fastest client whose resolver can be replaced and whose connections can be looked at before they
are used. Of it serve the pool, the resolver, TLS and the parser of answers. Its session does not: a request
is written here in one piece, for its jar of cookies, its redirects, proxies and tasks cost more than all of
these, and we have each of them off.

- names go through ``Resolution``; aiohttp connects to those addresses and nowhere else;
- aiohttp skips its resolver for literal addresses, so ``EgressPolicy.parse`` judges these first;
- every new connection's peer is judged once more before a request is written to it;
- there is nothing here that follows a redirect or reads a proxy from the environment.
"""

import asyncio
import time
from functools import lru_cache
from socket import AF_INET, AF_INET6, AddressFamily
from ssl import SSLContext
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.hdrs import HOST
from aiohttp.http import HttpProcessingError
from aiohttp.tracing import Trace
from yarl import URL

from app.core.egress.calls import Answer, Call
from app.core.egress.errors import UpstreamMalformed, UpstreamUnreachable
from app.core.egress.headers import USER_AGENT
from app.core.egress.policy import EgressPolicy, Target
from app.core.egress.resolution import Resolution
from app.core.errors import UpstreamFailed

CONNECT_TIMEOUT_S = 5
DNS_CACHE_S = 10
# A change of DNS is seen after a minute at the latest: the age at which a connection is no longer put
# back into the pool, plus the time it may have idled there.
MAX_AGE_S = 45.0
MAX_IDLE_S = 15.0
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 128
ORIGINS = 4096
"""That are remembered in the form in which aiohttp wants them."""
INTERIM = frozenset({*range(100, 200)} - {101})
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"})

_Said = tuple[int, tuple[tuple[bytes, bytes], ...], bytes, bool]
"""Status, headers, body, and whether that was cut."""


class CallEngine:
    def __init__(
        self, policy: EgressPolicy, resolution: Resolution, per_origin: int, tls: SSLContext | None
    ) -> None:
        self._connector = _VettingConnector(policy, resolution, per_origin, tls)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        self._origin = lru_cache(ORIGINS)(_Origin)

    async def close(self) -> None:
        await self._connector.close()

    async def exchange(self, call: Call, target: Target) -> Answer:
        """Raises ``UpstreamUnreachable`` and ``UpstreamMalformed``, to which no error of aiohttp is chained:
        those print the whole URL."""
        started = time.monotonic()
        try:
            status, headers, body, is_truncated = await self._ask(call, target)
        except aiohttp.ClientError as exc:
            raise _translated(exc, target) from None
        except HttpProcessingError:
            raise _malformed(target) from None
        except OSError:
            raise _unreachable(target) from None
        return Answer(
            status=status,
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers),
            body=body,
            truncated=is_truncated,
            duration_ms=round((time.monotonic() - started) * 1000),
        )

    async def _ask(self, call: Call, target: Target) -> _Said:
        """A connection that was kept may have been closed meanwhile: then once more, where that is harmless
        (RFC 9112, section 9.3.1)."""
        origin = self._origin(target.origin)
        if call.method in IDEMPOTENT:
            try:
                return await self._ask_once(call, target, origin)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                pass
        return await self._ask_once(call, target, origin)

    async def _ask_once(self, call: Call, target: Target, origin: "_Origin") -> _Said:
        connection = await self._connect(origin)
        try:
            protocol = connection.protocol
            if protocol is None or (transport := protocol.transport) is None:
                raise aiohttp.ServerDisconnectedError
            protocol.set_response_params(
                skip_payload=call.method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                max_headers=MAX_HEADERS,
            )
            transport.write(_written(call, target, origin.host_header))
            message, payload = await protocol.read()
            while message.code in INTERIM:
                message, payload = await protocol.read()
            body, is_truncated = await _read(payload, call.max_response_bytes)
            # What has not been sent by now belongs to no later request.
            if not is_truncated and not transport.get_write_buffer_size():
                connection.release()
            return message.code, message.raw_headers, body, is_truncated
        finally:
            connection.close()

    async def _connect(self, origin: "_Origin") -> Connection:
        try:
            return await self._connector.connect(origin, [], self._timeout)
        except TimeoutError as exc:
            raise aiohttp.ConnectionTimeoutError from exc


class _Origin(aiohttp.ClientRequest):
    """What aiohttp opens a connection for. Nothing but that is asked of it."""

    def __init__(self, origin: str) -> None:
        super().__init__("GET", URL(origin, encoded=True), loop=asyncio.get_running_loop())
        self.host_header = self.headers[HOST]
        self._key = super().connection_key

    @property
    def connection_key(self) -> ConnectionKey:
        return self._key


class _VettingConnector(aiohttp.TCPConnector):
    """A pool that judges the peer of each new connection and lets none grow old."""

    def __init__(
        self, policy: EgressPolicy, resolution: Resolution, per_origin: int, tls: SSLContext | None
    ) -> None:
        super().__init__(
            resolver=_VettingResolver(resolution),
            ttl_dns_cache=DNS_CACHE_S,
            keepalive_timeout=MAX_IDLE_S,
            limit=0,
            limit_per_host=per_origin,
            ssl=True if tls is None else tls,
        )
        self._policy = policy
        self._opened_at: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 the interface of aiohttp
    ) -> ResponseHandler:
        protocol = await super()._create_connection(req, traces, timeout)
        try:
            self._policy.check(str(req.url.raw_host), [_peer(protocol)])
        except BaseException:
            protocol.abort()
            raise
        self._opened_at[protocol] = time.monotonic()
        return protocol

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        is_old = time.monotonic() - self._opened_at.get(protocol, 0.0) > MAX_AGE_S
        super()._release(key, protocol, should_close=should_close or is_old)


class _VettingResolver(AbstractResolver):
    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: AddressFamily = AF_INET,  # noqa: ARG002 the interface of aiohttp; we take every family
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=AF_INET6 if ":" in address else AF_INET,
                proto=0,
                flags=0,
            )
            for address in await self._resolution.addresses(host)
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def _written(call: Call, target: Target, host: str) -> bytes:
    """The request as it goes over the wire. Its names and values were checked: none can end its line."""
    lines = [f"{call.method} {target.path} HTTP/1.1", f"Host: {host}"]
    names = set()
    for name, value in call.headers:
        names.add(name.lower())
        lines.append(f"{name}: {value}")
    if "user-agent" not in names:
        lines.append(f"User-Agent: {USER_AGENT}")
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    if call.body is not None:
        lines.append(f"Content-Length: {len(call.body)}")
    elif call.method not in BODILESS:
        lines.append("Content-Length: 0")
    lines.append("\r\n")
    return "\r\n".join(lines).encode() + (call.body or b"")


async def _read(payload: aiohttp.StreamReader, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    while chunk := await payload.readany():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


def _peer(protocol: ResponseHandler) -> str:
    """The address at the other end; a connection that is already gone raises as one that failed."""
    peer = protocol.transport and protocol.transport.get_extra_info("peername")
    if not peer:
        raise aiohttp.ServerDisconnectedError
    return str(peer[0])


def _translated(exc: aiohttp.ClientError, target: Target) -> UpstreamFailed:
    if isinstance(exc, aiohttp.ClientSSLError):
        return UpstreamUnreachable(f"TLS with {target.origin} failed, or its certificate is not trusted.")
    if isinstance(exc, aiohttp.ClientConnectionError):
        return _unreachable(target)
    return _malformed(target)


def _unreachable(target: Target) -> UpstreamUnreachable:
    return UpstreamUnreachable(f"No connection to {target.origin} could be made or kept.")


def _malformed(target: Target) -> UpstreamMalformed:
    return UpstreamMalformed(f"{target.origin} did not answer in valid HTTP.")
