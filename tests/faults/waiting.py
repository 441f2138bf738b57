"""Waiting for something that can be observed, with a deadline after which the test fails."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_S = 180.0
"""Far more than the longest thing waited for, a lease that runs out: a busy machine is no defect."""
POLL_S = 0.02

T = TypeVar("T")


async def until(condition: Callable[[], T | Awaitable[T]], *, within: float = PATIENCE_S) -> T:
    """The first value of ``condition`` that is true; TimeoutError when there is none in time."""
    async with asyncio.timeout(within):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(POLL_S)


async def until_not(condition: Callable[[], Awaitable[bool]]) -> None:
    async def negated() -> bool:
        return not await condition()

    await until(negated)
