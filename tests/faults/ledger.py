"""What was acknowledged, what was executed, and what the upstream received, held against each other."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urljoin

from tests.faults.installation import Installation, Process
from tests.faults.waiting import PATIENCE_S, until
from tests.fixtures.upstream import Upstream

UNFINISHED = {"queued", "running"}


@dataclass
class Ledger:
    """``acknowledged``: execution by delivery. ``in_flight``: how many faults found an execution under way.

    ``refused``: answers with 503. ``broken``: connections that ended without an answer.
    """

    acknowledged: dict[str, str] = field(default_factory=dict)
    in_flight: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    broken: int = 0

    def __str__(self) -> str:
        return f"refused {self.refused}, broken {self.broken}"

    def acknowledge(self, delivery: str, execution: str) -> None:
        """A delivery that is sent again gets the first one's answer."""
        assert self.acknowledged.setdefault(delivery, execution) == execution

    def interrupt(self, executions: Iterable[str]) -> None:
        """A fault struck while these were in flight: each may be executed once more."""
        self.in_flight.update(executions)


@dataclass(frozen=True)
class Balance:
    acknowledged: int
    lost: set[str]
    """Acknowledged, and not succeeded or never received."""
    unknown: set[str]
    """Received by the upstream, or executed, and never acknowledged."""
    twice: Counter[str]
    """How often more than once an execution was received."""
    forked: set[str]
    """Deliveries that were received under more than one key."""
    received: int

    def __str__(self) -> str:
        return (
            f"acknowledged {self.acknowledged}, lost {len(self.lost)}, "
            f"twice {self.twice.total()}, received {self.received}"
        )


async def settle(ledger: Ledger, installation: Installation, api: Process, upstream: Upstream) -> Balance:
    """Wait until nothing is to be done any more, and draw the balance."""
    statuses = await until(lambda: _finished(installation, api), within=PATIENCE_S)
    received = Counter(asked.headers["idempotency-key"] for asked in upstream.requests)
    acknowledged = set(ledger.acknowledged.values())
    return Balance(
        acknowledged=len(acknowledged),
        lost={id for id in acknowledged if statuses.get(id) != "succeeded" or id not in received},
        unknown=(statuses.keys() | received.keys()) - acknowledged,
        twice=Counter({id: count - 1 for id, count in received.items() if count > 1}),
        forked=_forked(upstream),
        received=received.total(),
    )


async def executions(installation: Installation, api: Process, query: str = "") -> list[dict[str, object]]:
    """Every execution that the API lists."""
    address: str | None = f"/executions?limit=200{query}"
    found: list[dict[str, object]] = []
    while address:
        response = await installation.get(urljoin(api.url, address))
        found += response.json()
        link = response.headers.get("link")
        address = link.removeprefix("<").partition(">")[0] if link else None
    return found


async def _finished(installation: Installation, api: Process) -> dict[str, str] | None:
    """The status of every execution, once none is unfinished."""
    for status in UNFINISHED:
        if (await installation.get(f"{api.url}/executions?limit=1&status={status}")).json():
            return None
    statuses = {str(row["id"]): str(row["status"]) for row in await executions(installation, api)}
    return None if UNFINISHED & {*statuses.values()} else statuses


def _forked(upstream: Upstream) -> set[str]:
    keys: dict[str, set[str]] = {}
    for asked in upstream.requests:
        keys.setdefault(json.loads(asked.body)["delivery"], set()).add(asked.headers["idempotency-key"])
    return {delivery for delivery, found in keys.items() if len(found) > 1}
