"""Keys that senders publish: JWKS documents and certificates."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import urlsplit

from app.core.egress.errors import EgressRefused, UpstreamRefused
from app.core.egress.fetch import FetchClient
from app.core.errors import AppError
from app.signatures.errors import SigningKeyUnavailable
from app.signatures.verdict import Reason, Refused

LIFETIME_S: Final = 600.0
"""How long a document is believed. So long it also stays known that there is none."""
TRANSIENT_LIFETIME_S: Final = 10.0
"""How long it stays known that a document could not be had."""
REFETCH_S: Final = 60.0
"""Between two looks for a newer document: whoever makes up key ids must not make us fetch each time."""
MAX_DOCUMENTS: Final = 256
MAX_DOCUMENT_BYTES: Final = 256 * 1024
MAX_URL: Final = 2048
FETCHES_PER_MINUTE: Final = 30
"""Of one host: whoever makes up addresses there must not make us fetch each of them."""
TIMEOUT_S: Final = 5.0

_SERVER_ERRORS: Final = range(500, 600)
_PASSING: Final = frozenset({408, 429})


class KeySource(Protocol):
    async def document(self, url: str, hosts: re.Pattern[str], *, newer: bool = False) -> bytes:
        """What is published at an https address, whose host has to match entirely; ``newer``: than what an
        earlier call returned, if enough time has passed.

        Raises ``Refused`` for another address or where nothing is published, ``SigningKeyUnavailable`` when
        it cannot be had right now.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    fetched: float
    expires: float
    body: bytes | None
    is_transient: bool = False
    """Whether the last look for it failed in a way that may pass; ``body`` is then of an earlier one."""


class FetchedKeys:
    """A ``KeySource`` over the guarded client: cached, misses too; one fetch of an address at a time."""

    def __init__(self, client: FetchClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[_Entry]] = {}
        self._fetches: OrderedDict[str, tuple[int, int]] = OrderedDict()

    async def document(self, url: str, hosts: re.Pattern[str], *, newer: bool = False) -> bytes:
        host = _allowed(url, hosts)
        entry = self._entries.get(url)
        now = self._clock()
        if entry is None or entry.expires <= now or (newer and entry.fetched + REFETCH_S <= now):
            entry = await self._fetched(url, host)
        if entry.body is not None and not (newer and entry.is_transient):
            return entry.body
        if entry.is_transient:
            raise SigningKeyUnavailable
        raise Refused(Reason.MISMATCH, "No key is published where the request says.")

    async def _fetched(self, url: str, host: str) -> _Entry:
        """Shared by all who wait for it; that one of them gives up ends it for no other."""
        task = self._fetching.get(url)
        if task is None:
            self._take(host)
            task = asyncio.create_task(self._fetch(url))
            self._fetching[url] = task
            task.add_done_callback(lambda _: self._fetching.pop(url, None))
        return await asyncio.shield(task)

    async def _fetch(self, url: str) -> _Entry:
        body: bytes | None = None
        is_transient = False
        try:
            fetched = await self._client.fetch(
                url, max_bytes=MAX_DOCUMENT_BYTES, timeout_s=TIMEOUT_S, max_redirects=0
            )
            body = fetched.body
        except (EgressRefused, UpstreamRefused) as error:
            is_transient = _is_transient(error)
        except AppError:
            is_transient = True
        now = self._clock()
        entry = _Entry(now, now + (TRANSIENT_LIFETIME_S if is_transient else LIFETIME_S), body, is_transient)
        self._keep(url, entry)
        return entry

    def _keep(self, url: str, entry: _Entry) -> None:
        old = self._entries.get(url)
        if entry.is_transient and old is not None and old.body is not None and old.expires > entry.fetched:
            entry = replace(old, fetched=entry.fetched, is_transient=True)
        self._entries[url] = entry
        self._entries.move_to_end(url)
        while len(self._entries) > MAX_DOCUMENTS:
            self._entries.popitem(last=False)

    def _take(self, host: str) -> None:
        minute = int(self._clock() // 60)
        since, count = self._fetches.get(host, (minute, 0))
        count = count + 1 if since == minute else 1
        self._fetches[host] = (minute, count)
        self._fetches.move_to_end(host)
        while len(self._fetches) > MAX_DOCUMENTS:
            self._fetches.popitem(last=False)
        if count > FETCHES_PER_MINUTE:
            raise SigningKeyUnavailable(headers={"Retry-After": "60"})


def host_of(url: str) -> str | None:
    """None for what is no https address on the usual port."""
    try:
        parts = urlsplit(url)
        is_https = parts.scheme == "https" and parts.port in {None, 443} and parts.username is None
    except ValueError:
        return None
    return (parts.hostname or "").lower() or None if is_https else None


def _allowed(url: str, hosts: re.Pattern[str]) -> str:
    """The host. Raises ``Refused``."""
    host = host_of(url)
    if host is None or len(url) > MAX_URL or not hosts.fullmatch(host):
        raise Refused(Reason.MALFORMED, "The request names a key at an address that is not allowed.")
    return host


def _is_transient(error: AppError) -> bool:
    """4xx and redirects say that nothing is there; what is wrong with the server may pass."""
    status = error.extra.get("upstreamStatus")
    return isinstance(status, int) and (status in _SERVER_ERRORS or status in _PASSING)
