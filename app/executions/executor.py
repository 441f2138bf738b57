"""Runs one execution for whoever waits for its answer, as the engine runs the others."""

from app.engine.claim import Claim
from app.executions.caller import Outcome
from app.executions.source import ExecutionSource


class Executor:
    def __init__(self, source: ExecutionSource) -> None:
        self._source = source

    async def run(self, claim: Claim) -> Outcome | None:
        """What became of the attempt; None when the claim was lost before it began."""
        for held, job in await self._source.read([claim]):
            done = await self._source.perform(held, job)
            await self._source.finish([done])
            return done.result
        return None
