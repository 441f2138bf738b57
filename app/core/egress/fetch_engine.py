"""httpx2, kept where the policy wants it: what carries the documents of ``FetchClient``.

httpx2 has no parameter for the network it uses, but httpcore2's pool has. ``GuardedTransport`` builds
that pool itself; should httpx2 ever keep its pool elsewhere, the transport fails instead of falling
back to an unguarded one.
"""

import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urljoin

import httpcore2
import httpx2

from app.core.egress.errors import EgressRefused, UpstreamMalformed, UpstreamRefused, UpstreamUnreachable
from app.core.egress.fetch import NO_HEADERS, NOT_MODIFIED, Fetched
from app.core.egress.headers import USER_AGENT
from app.core.egress.policy import EgressPolicy, Target
from app.core.egress.resolution import Lookup, Resolution, system_lookup
from app.core.errors import TooLarge, UpstreamTimedOut

CONNECT_TIMEOUT_S = 5.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchEngine:
    def __init__(self, policy: EgressPolicy, lookup: Lookup, tls: ssl.SSLContext | None) -> None:
        self._policy = policy
        self._transport = GuardedTransport(policy, lookup=lookup, tls=tls)

    async def close(self) -> None:
        await self._transport.aclose()

    async def follow(
        self, url: str, headers: Mapping[str, str], max_bytes: int, max_redirects: int
    ) -> Fetched:
        """Raises what ``FetchClient.fetch`` does, but for the headers."""
        origin = self._policy.parse(url).origin
        try:
            return await self._follow(url, headers, max_bytes, max_redirects)
        except httpx2.TimeoutException:
            raise UpstreamTimedOut(f"{origin} did not answer in time.") from None
        except httpx2.ProtocolError:
            raise UpstreamMalformed(f"{origin} did not answer in valid HTTP.") from None
        except httpx2.TransportError:
            raise UpstreamUnreachable(f"No connection to {origin} could be made or kept.") from None

    async def _follow(
        self, url: str, headers: Mapping[str, str], max_bytes: int, max_redirects: int
    ) -> Fetched:
        target = self._policy.parse(url)
        for _ in range(max_redirects + 1):
            response = await self._transport.handle_async_request(_get(target, headers))
            try:
                location = response.headers.get("location")
                if response.status_code not in REDIRECTS or location is None:
                    return await _document(target, response, max_bytes)
            finally:
                await response.aclose()
            source, target = target, self._policy.parse(_absolute(target, location))
            if target.origin != source.origin:
                headers = NO_HEADERS
        raise _refused(target, response.status_code)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """An httpx2 transport that connects only where the policy permits.

    For clients that need more than ``fetch``: ``httpx2.AsyncClient(transport=GuardedTransport(policy),
    trust_env=False)``, so that no proxy of the environment is mounted beside it. HTTP/1.1, no proxy, no
    retries, no kept connections: none is ever older than its request.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_keepalive_connections=0,
            network_backend=_VettingBackend(policy, Resolution(policy, lookup)),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._policy.parse(str(request.url))
        return await super().handle_async_request(request)


class _VettingBackend(httpcore2.AsyncNetworkBackend):
    """Connects to vetted addresses. The pool goes on to use the host's name for ``Host`` and TLS."""

    def __init__(self, policy: EgressPolicy, resolution: Resolution) -> None:
        self._policy = policy
        self._resolution = resolution
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the interface of httpcore2
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: httpcore2.NetworkError | httpcore2.TimeoutException | None = None
        patience = CONNECT_TIMEOUT_S if timeout is None else min(timeout, CONNECT_TIMEOUT_S)
        for address in await self._resolution.addresses(host):
            try:
                stream = await self._sockets.connect_tcp(
                    address, port, patience, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failure = exc
                continue
            return await self._vetted(host, stream)
        raise failure or httpcore2.ConnectError

    async def _vetted(self, host: str, stream: httpcore2.AsyncNetworkStream) -> httpcore2.AsyncNetworkStream:
        try:
            self._policy.check(host, [stream.get_extra_info("server_addr")[0]])
        except EgressRefused:
            await stream.aclose()
            raise
        return stream


def _get(target: Target, headers: Mapping[str, str]) -> httpx2.Request:
    ours = {"user-agent": USER_AGENT, "accept": "*/*"}
    theirs = {name.lower(): value for name, value in headers.items()}
    return httpx2.Request("GET", target.url, headers={**ours, **theirs, "accept-encoding": "identity"})


def _absolute(target: Target, location: str) -> str:
    try:
        return urljoin(target.url, location)
    except ValueError:
        raise EgressRefused(f"{target.origin} redirected to something that is not a URL.") from None


async def _document(target: Target, response: httpx2.Response, max_bytes: int) -> Fetched:
    if response.status_code != NOT_MODIFIED and not response.is_success:
        raise _refused(target, response.status_code)
    if response.headers.get("content-encoding", "").lower() not in {"", "identity"}:
        raise UpstreamMalformed(f"{target.origin} sent an encoded body, which was not asked for.")
    return Fetched(
        status=response.status_code,
        url=target.url,
        etag=response.headers.get("etag"),
        last_modified=response.headers.get("last-modified"),
        content_type=response.headers.get("content-type"),
        body=await _read(response, max_bytes),
    )


async def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"The document is larger than {max_bytes} bytes.")
    return bytes(body)


def _refused(target: Target, status: int) -> UpstreamRefused:
    return UpstreamRefused(
        f"{target.origin} answered with status {status}.", extra={"upstreamStatus": status}
    )
