"""Name resolution that hands out addresses only after the policy has judged all of them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from app.core.egress.errors import EgressRefused, UpstreamUnreachable
from app.core.egress.policy import EgressPolicy, literal_address
from app.core.errors import UpstreamTimedOut

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Takes a host name, returns its addresses as text; raises ``OSError`` when there are none."""

LOOKUP_TIMEOUT_S = 5
MAX_ADDRESSES = 32

# getaddrinfo blocks and cannot be cancelled. Threads of its own keep a name server that does not answer
# from taking those of the loop's executor.
_THREADS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="lookup")


async def system_lookup(name: str) -> Sequence[str]:
    """What the operating system's resolver says, /etc/hosts included."""
    lookup = partial(socket.getaddrinfo, name, None, type=socket.SOCK_STREAM)
    answers = await asyncio.get_running_loop().run_in_executor(_THREADS, lookup)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


class Resolution:
    """From a host to the addresses a connection may be opened to, in the resolver's order."""

    def __init__(self, policy: EgressPolicy, lookup: Lookup = system_lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def addresses(self, host: str) -> Sequence[str]:
        """One lookup, at most five seconds. The caller connects to these and asks no one again."""
        found = [host] if literal_address(host) else await self._look_up(host)
        self._policy.check(host, found)
        return found

    async def _look_up(self, host: str) -> Sequence[str]:
        # The final dot keeps search domains out of it: in a cluster, `example.com` would first be asked
        # as `example.com.default.svc.cluster.local`. Names the operator listed may need exactly that.
        name = host if self._policy.lists(host) else f"{host}."
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                found = list(dict.fromkeys(await self._lookup(name)))
        except TimeoutError:
            raise UpstreamTimedOut(f"The host {host} did not resolve in time.") from None
        except OSError:
            found = []
        if not found:
            raise UpstreamUnreachable(f"The host {host} did not resolve.")
        if len(found) > MAX_ADDRESSES:
            raise EgressRefused(f"The host {host} has more than {MAX_ADDRESSES} addresses.")
        return found
