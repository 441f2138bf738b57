"""How long the suite runs, what a fault finds in flight, and what every scenario ends with.

``JACKFIELD_FAULT_KILLS`` is how often each process is killed or stopped, ``JACKFIELD_FAULT_WEBHOOKS`` how
many deliveries are sent around each time.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.db.admin import administer
from tests.faults.installation import Installation, Process
from tests.faults.ledger import Balance, settle
from tests.faults.load import Load
from tests.fixtures.database import DatabaseUrls
from tests.fixtures.upstream import Answer, Upstream

KILLS = int(os.environ.get("JACKFIELD_FAULT_KILLS", "1"))
WEBHOOKS = int(os.environ.get("JACKFIELD_FAULT_WEBHOOKS", "150"))


async def close(
    scenario: str, load: Load, installation: Installation, api: Process, upstream: Upstream
) -> Balance:
    """Let everything come to its end; nothing may be lost, and nothing done that nobody asked for."""
    await load.finish()
    balance = await settle(load.ledger, installation, api, upstream)
    print(f"\n{scenario}: {balance}, {load.ledger}")  # noqa: T201 - the ledger
    assert not balance.lost
    assert not balance.unknown
    assert not balance.forked
    return balance


@contextmanager
def held(upstream: Upstream, status: int = 200) -> Iterator[Callable[[], int]]:
    """While the block runs, the upstream receives and does not answer; yields how many it has received.

    After the block those get ``status``, and everybody else 200 at once.
    """
    answer = Answer(status, release=asyncio.Event())
    before = len(upstream.requests)
    upstream.answer("/in", answer)
    try:
        yield lambda: len(upstream.requests) - before
    finally:
        upstream.answer("/in", Answer())
        answer.release.set()


async def in_flight(urls: DatabaseUrls) -> list[str]:
    """The executions that a worker has claimed and not finished: asked of the database, when no API lives."""
    async with administer(urls.admin) as connection:
        rows = await connection.exec_driver_sql("SELECT id FROM executions WHERE status = 'running'")
        return [str(id) for id in rows.scalars()]


async def stored(urls: DatabaseUrls) -> int:
    """How many executions there are, of whom nobody may have been told."""
    async with administer(urls.admin) as connection:
        return (await connection.exec_driver_sql("SELECT count(*) FROM executions")).scalar_one()
