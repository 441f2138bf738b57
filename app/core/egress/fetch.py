"""The client for documents: GET, a few redirects, a cap on what is read."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from app.core.egress.headers import check_headers
from app.core.egress.policy import EgressPolicy
from app.core.egress.resolution import Lookup, system_lookup
from app.core.errors import UpstreamTimedOut

if TYPE_CHECKING:
    from app.core.egress.fetch_engine import FetchEngine

NOT_MODIFIED = 304
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A document (status 2xx), or the news that it has not changed (304, empty ``body``).

    ``url`` is where it was found in the end; ``etag``, ``last_modified`` and ``content_type`` are the
    header values as sent.
    """

    status: int
    url: str = field(repr=False)
    etag: str | None
    last_modified: str | None
    content_type: str | None
    body: bytes = field(repr=False)


class FetchClient:
    """Fetches documents; holds no connection, cookie or credential between two fetches."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._lookup = lookup
        self._tls = tls
        self._engine: FetchEngine | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()

    async def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        max_bytes: int,
        timeout_s: float = 30.0,
        max_redirects: int = 3,
    ) -> Fetched:
        """GET a document of at most ``max_bytes``, in ``timeout_s`` altogether.

        Every hop passes the policy; ``headers`` are sent to the origin of ``url`` only. Raises
        ``EgressRefused``, ``ForbiddenHeader``, ``TooLarge``, ``UpstreamRefused`` (``upstreamStatus`` in
        its extra), ``UpstreamTimedOut``, ``UpstreamUnreachable``, ``UpstreamMalformed``.
        """
        check_headers(headers.items())
        origin = self._policy.parse(url).origin
        try:
            async with asyncio.timeout(timeout_s):
                engine = self._engine or await self._start()
                return await engine.follow(url, headers, max_bytes, max_redirects)
        except TimeoutError:
            raise UpstreamTimedOut(f"{origin} did not answer in time.") from None

    async def _start(self) -> "FetchEngine":
        """At the first document: who only takes webhooks does not wait for a client to be imported."""
        engine = await asyncio.to_thread(_engine)
        if self._engine is None:
            self._engine = engine(self._policy, self._lookup, self._tls)
        return self._engine


def _engine() -> "type[FetchEngine]":
    from app.core.egress.fetch_engine import FetchEngine

    return FetchEngine
