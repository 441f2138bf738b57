"""Senders that behave as a provider does: the same delivery again, under the same id, until it gets a 2xx."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from tests.faults.installation import Installation, Process
from tests.faults.ledger import Ledger
from tests.faults.waiting import POLL_S, until

SENDERS = 16
ANSWER_S = 30.0
"""Within which whoever lives has answered."""
LONGEST_RETRY_S = 1.0
"""A provider would wait as long as ``Retry-After`` says."""


class Load:
    """``may_break``: whether a connection may end without an answer, because who answers is being killed."""

    def __init__(self, installation: Installation, api: Process, *, may_break: bool) -> None:
        self.ledger = Ledger()
        self._client = installation.client
        self._api = api
        self._may_break = may_break
        self._numbers = itertools.count(1)
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    def add(self, count: int) -> None:
        """So many deliveries more for the senders."""
        for _ in range(count):
            self._waiting.put_nowait(f"delivery-{next(self._numbers)}")

    async def acknowledged(self, count: int) -> None:
        """Wait for so many acknowledgements more."""
        wanted = len(self.ledger.acknowledged) + count
        await until(lambda: len(self.ledger.acknowledged) >= wanted)

    async def refused(self, count: int = 1) -> None:
        """Wait for so many refusals more."""
        wanted = self.ledger.refused + count
        await until(lambda: self.ledger.refused >= wanted)

    async def finish(self) -> None:
        """Until everything that was added is acknowledged."""
        await self._waiting.join()

    async def deliver(self, delivery: str) -> None:
        """Until it is acknowledged."""
        while (retry_s := await self.attempt(delivery)) is not None:
            await asyncio.sleep(min(retry_s, LONGEST_RETRY_S))
            await self._api.serves.wait()

    async def attempt(self, delivery: str) -> float | None:
        """Send it once; in how many seconds to send it again, None when it was acknowledged.

        Whoever lives answers with 202, or with 503 and ``Retry-After``; never with anything else.
        """
        try:
            response = await self._client.post(
                f"{self._api.url}/webhook/acme/in",
                json={"delivery": delivery},
                headers={"webhook-id": delivery},
                timeout=ANSWER_S,
            )
        except httpx2.TransportError:
            assert self._may_break, self._api.log[-2000:]
            self.ledger.broken += 1
            return POLL_S
        if response.status_code == 503:
            self.ledger.refused += 1
            return float(response.headers["retry-after"])
        assert response.status_code == 202, f"{response.status_code} {response.text}\n{self._api.log[-2000:]}"
        self.ledger.acknowledge(delivery, response.json()["executionId"])
        return None

    async def send(self) -> None:
        """One sender, until cancelled."""
        while True:
            await self.deliver(await self._waiting.get())
            self._waiting.task_done()


@asynccontextmanager
async def sending(
    installation: Installation, api: Process, *, senders: int = SENDERS, may_break: bool = False
) -> AsyncIterator[Load]:
    """A load while the block runs. What a sender finds wrong ends the block."""
    load = Load(installation, api, may_break=may_break)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(load.send()) for _ in range(senders)]
        yield load
        for task in tasks:
            task.cancel()
