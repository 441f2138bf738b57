"""What the engine runs: rows that are claimed, called for and finished. Executions are one kind of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.engine.claim import Claim, Wanted

J = TypeVar("J")
R = TypeVar("R")


@dataclass(slots=True)
class Done(Generic[J, R]):
    """A job that was performed. ``is_answered``: whether its upstream was there; None if none was asked."""

    claim: Claim
    job: J
    result: R
    is_answered: bool | None
    retry_after: float | None = None


class Source(Protocol[J, R]):
    """Work of one kind. ``read`` and ``finish`` take one short transaction per tenant; ``perform`` none."""

    async def claim(self, wanted: Wanted) -> list[Claim]:
        """Due work, the longest due of each lane first, under a lease that nobody else gets it within."""
        ...

    async def lane_after(self, wanted: Wanted) -> int | None:
        """Where a walk through the lanes stopped for its length; None if it saw the last one."""
        ...

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Begin the lease of each claim that is still held again."""
        ...

    async def read(self, claims: Sequence[Claim]) -> list[tuple[Claim, J]]:
        """What has to be done, without those whose claim was lost meanwhile."""
        ...

    async def perform(self, claim: Claim, job: J) -> Done[J, R]:
        """Do it, once. Raises only for defects of ours: the work is then done again after its lease."""
        ...

    async def finish(self, done: Sequence[Done[J, R]]) -> None:
        """Store what became of it, for each claim that is still held."""
        ...
