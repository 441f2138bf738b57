"""What a claim costs when a million executions wait, against a claim on a table that is almost empty.

    .venv/bin/python benchmarks/backlog.py [--rounds 3] [--rows 1000000] [--batch 100] [--claims 100]

Two services, each on a data folder of its own. Their tenants, handlers (each with an upstream of its own)
and one execution of each handler come through the API; the rest are copies of those executions, made in the
database. Claims are the worker's own, as its role: one transaction each, committed, so that what a queue
leaves behind in its index is there. A claim has to come back full. On the almost empty table as many rows
are put in before each claim as it takes.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median

from harness import database, load
from harness.histogram import Histogram
from harness.load import Plan
from harness.processes import Apart
from harness.report import Ratio, interleave, parser, publish, ratio, say
from harness.service import Service, Tenant, data_folder, serving

EMPTY = "almost empty"
NOWHERE = "http://127.0.0.1:{}"
FIRST_PORT = 20_000
COPIES_AT_A_TIME = 50_000
PATIENCE_S = 60.0
MILLI = 1000


def main() -> None:
    arguments = read_arguments()
    full = f"{arguments.rows:,} waiting"
    with ExitStack() as stack:
        apart = stack.enter_context(Apart())
        empty_urls, full_urls = (stack.enter_context(furnished(apart, arguments)) for _ in range(2))
        asyncio.run(fill(full_urls, arguments.rows))
        about = {"postgresql": asyncio.run(database.ask(database.dsn(full_urls), database.describe))}
        steps: dict[str, Callable[[], Mapping[str, float]]] = {
            EMPTY: lambda: asyncio.run(claim(EMPTY, empty_urls, arguments, refill=True)),
            full: lambda: asyncio.run(claim(full, full_urls, arguments, refill=False)),
        }
        samples = interleave(arguments.rounds, steps)
    ratios = {
        f"p95 of a claim of {arguments.batch}, ms": Ratio(median(samples[f"{full}, p95 ms"]), "< 20"),
        f"p95, {full} / {EMPTY}": ratio(samples, f"{full}, p95 ms", f"{EMPTY}, p95 ms"),
    }
    publish(samples, ratios, arguments, **about)


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=3)
    options.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="executions that wait")
    options.add_argument("--batch", type=int, default=100, metavar="N", help="executions that a claim takes")
    options.add_argument("--claims", type=int, default=100, metavar="N", help="of each table and round")
    options.add_argument("--tenants", type=int, default=20, metavar="N")
    options.add_argument(
        "--handlers", type=int, default=5, metavar="N", help="of each tenant, each with an upstream"
    )
    return options.parse_args()


@contextmanager
def furnished(apart: Apart, arguments: argparse.Namespace) -> Iterator[database.Urls]:
    """A service's database that holds one execution of every handler, which is not due."""
    with data_folder() as data, serving(data, "--no-worker") as service, database.urls(data) as urls:
        webhooks = tuple(
            tenant.call(f"in-{handler}", NOWHERE.format(FIRST_PORT + number * arguments.handlers + handler))
            for number, tenant in enumerate(tenants(service, arguments.tenants))
            for handler in range(arguments.handlers)
        )
        plan = Plan(webhooks=webhooks, seconds=PATIENCE_S, requests=len(webhooks), connections=4)
        result = apart.call(load.run, plan)
        if result.accepted != len(webhooks):
            raise SystemExit(f"not accepted: {result.failures}")
        asyncio.run(database.ask(database.dsn(urls), database.postpone_originals))
        yield urls


def tenants(service: Service, count: int) -> Iterator[Tenant]:
    return (service.tenant(f"tenant-{number}") for number in range(count))


async def fill(urls: database.Urls, rows: int) -> None:
    async with database.connect(database.dsn(urls)) as connection:
        originals = await database.count_executions(connection)
        wanted, made = math.ceil(rows / originals), 0
        while made < wanted:
            copies = min(max(1, COPIES_AT_A_TIME // originals), wanted - made)
            await database.copy_waiting(connection, copies)
            made += copies
            say(f"{made * originals:,} of {wanted * originals:,} executions wait")
        await database.settle(connection)


async def claim(
    name: str, urls: database.Urls, arguments: argparse.Namespace, *, refill: bool
) -> Mapping[str, float]:
    times = Histogram()
    async with database.connect(database.dsn(urls)) as connection, database.worker_database(urls) as worker:
        copies = math.ceil(arguments.batch / await database.count_originals(connection))
        if refill:
            await database.forget_copies(connection)
        await database.claim(worker, 0)  # connects
        for _ in range(arguments.claims):
            if refill:
                await database.copy_waiting(connection, copies)
            began = time.perf_counter()
            claimed = await database.claim(worker, arguments.batch)
            times.record(time.perf_counter() - began)
            if claimed != arguments.batch:
                raise SystemExit(f"a claim of {arguments.batch} got {claimed}")
    return {f"{name}, p{percent} ms": times.percentile(percent) * MILLI for percent in (50, 95, 99)}


if __name__ == "__main__":
    main()
