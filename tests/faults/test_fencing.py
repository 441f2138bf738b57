"""A worker that sleeps longer than its lease, as a paused virtual machine does, and wakes up to finish."""

import signal
from functools import partial

import pytest

from tests.faults.installation import CONCURRENCY
from tests.faults.ledger import executions
from tests.faults.load import sending
from tests.faults.runs import KILLS, close, held, in_flight
from tests.faults.waiting import until

pytestmark = pytest.mark.anyio


async def finished(installation, api, ids):
    """All there is to read about these executions, once they have succeeded."""
    rows = [(await installation.get(f"{api.url}/executions/{id}")).json() for id in sorted(ids)]
    return rows if all(row["status"] == "succeeded" for row in rows) else None


class TestWorker:
    async def test_changes_nothing_after_another_took_over(self, installation, upstream, committed_urls):
        """What it would have written is a failure, so a fence that does not hold shows in the status."""
        api, worker = await installation.start_apart()
        await installation.furnish(api, upstream.url)
        async with sending(installation, api) as load:
            for _ in range(KILLS):
                with held(upstream, status=400) as received:
                    load.add(CONCURRENCY)
                    await load.finish()
                    await until(lambda: received() == CONCURRENCY)
                    worker.signal(signal.SIGSTOP)
                    asleep_over = await in_flight(committed_urls)
                    load.ledger.interrupt(asleep_over)
                other = await installation.start("worker")
                before = await until(partial(finished, installation, api, asleep_over))
                worker.signal(signal.SIGCONT)
                # It ends when it has done what it thinks is its to do.
                assert await worker.stop() == 0
                assert await finished(installation, api, asleep_over) == before
                assert {row["attemptCount"] for row in before} == {1}
                assert {len(row["attempts"]) for row in before} == {1}
                worker = other
            balance = await close("SIGSTOP of a worker", load, installation, api, upstream)
        assert balance.twice == load.ledger.in_flight
        assert len(await executions(installation, api)) == CONCURRENCY * KILLS
