"""The client for executions: any method, any header, one answer, no redirects.

A body is returned as it was sent. ``Accept-Encoding: identity`` asks for it plain; one that is
compressed all the same stays compressed, so nothing here can be made to inflate.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.core.egress.errors import EgressRefused
from app.core.egress.headers import check_headers
from app.core.egress.policy import EgressPolicy
from app.core.egress.resolution import Lookup, Resolution, system_lookup
from app.core.errors import UpstreamTimedOut

if TYPE_CHECKING:
    from app.core.egress.call_engine import CallEngine

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"})


@dataclass(slots=True, kw_only=True)
class Call:
    """One request. ``timeout_ms`` covers everything from the wait for a connection to the last byte."""

    method: str
    url: str = field(repr=False)
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_ms: int
    max_response_bytes: int


@dataclass(slots=True, kw_only=True)
class Answer:
    """Whatever the upstream said, redirects and errors included.

    Header values are decoded as Latin-1 (RFC 9110, section 5.5), so none can be undecodable.
    ``truncated`` means that the body went on after ``max_response_bytes``.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    duration_ms: int


class CallClient:
    """Pools connections; make one per process, inside its event loop.

    The number of calls at a time is the caller's to bound; here only that to one origin is, so that a
    slow upstream cannot be sent more than it can hold.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        connections_per_origin: int = 64,
        lookup: Lookup = system_lookup,
        tls: SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._resolution = Resolution(policy, lookup)
        self._per_origin = connections_per_origin
        self._tls = tls
        self._engine: CallEngine | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()

    async def call(self, call: Call) -> Answer:
        """Send one request and read the answer.

        Raises ``EgressRefused`` and ``ForbiddenHeader`` for what is not sent, ``UpstreamTimedOut``,
        ``UpstreamUnreachable`` and ``UpstreamMalformed`` for what is not answered.
        """
        if call.method not in METHODS:
            raise EgressRefused(f"The method must be one of {', '.join(sorted(METHODS))}.")
        target = self._policy.parse(call.url)
        check_headers(call.headers)
        try:
            async with asyncio.timeout(call.timeout_ms / 1000):
                engine = self._engine or await self._start()
                return await engine.exchange(call, target)
        except TimeoutError:
            raise UpstreamTimedOut(f"{target.origin} did not answer in time.") from None

    async def _start(self) -> "CallEngine":
        """At the first call: who only takes webhooks does not wait for a client to be imported."""
        engine = await asyncio.to_thread(_engine)
        if self._engine is None:
            self._engine = engine(self._policy, self._resolution, self._per_origin, self._tls)
        return self._engine


def _engine() -> "type[CallEngine]":
    from app.core.egress.call_engine import CallEngine

    return CallEngine
