"""How many executions one worker process gets done: claimed, called, stored, against bare calls.

    .venv/bin/python benchmarks/executions.py [--rounds 3] [--count 20000] [--concurrency 256] [--profile]

Each round lets every Python client that is installed call the same upstream (aiohttp, httpx2, and
pyreqwest, which is no dependency: put it on PYTHONPATH), then fills the database with executions through
the webhook while no worker runs, and starts `jackfield worker`. Its rate is that between a tenth and nine
tenths of the executions: once by the upstream's clock at each receipt, once by the `finished_at` that is
stored.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median

from harness import bare_calls, database, load, sampler
from harness.database import Progress
from harness.load import Plan
from harness.processes import Apart
from harness.report import Ratio, interleave, parser, publish, ratio, say
from harness.service import Service, data_folder, serving, working
from harness.upstream import Receipts, Upstreams, upstreams
from harness.webhooks import Webhook

BODY = 1024
BARE = "bare calls, {}"
WORKER = "jackfield worker"
FILLING_S = 600.0
STALLED_S = 60.0
"""Without a single execution: the worker is taken to have stopped."""
TELL_S = 5.0
POLL_S = 0.1
MILLI = 1000


def main() -> None:
    arguments = read_arguments()
    clients = bare_calls.installed()
    if bare_calls.PYREQWEST not in clients:
        say("pyreqwest is not installed: measured without it")
    with data_folder() as data, upstreams(healthy=arguments.upstreams) as called:
        with serving(data, "--no-worker") as service, open_bench(service, called, arguments) as bench:
            steps = {BARE.format(client): partial(bench.call, client) for client in clients}
            samples = interleave(arguments.rounds, steps | {WORKER: bench.work})
            about = bench.about()
        done = f"{WORKER}, stored/s"
        ratios = {
            f"jackfield / bare {client}": ratio(samples, done, f"{BARE.format(client)}, calls/s")
            for client in clients
        }
        fastest, least = min(ratios.items(), key=lambda named: named[1].value)
        ratios[fastest] = Ratio(least.value, ">= 0.4")
        ratios["jackfield / 2,000 per second"] = Ratio(median(samples[done]) / 2000, ">= 1")
        publish(samples, ratios, arguments, **about)
        if bench.profile is not None:
            sampler.show(bench.profile)


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=3)
    options.add_argument("--count", type=int, default=20_000, metavar="N", help="executions of each round")
    options.add_argument(
        "--concurrency",
        type=int,
        default=256,
        metavar="N",
        help="calls at a time, of the worker and of the clients",
    )
    options.add_argument(
        "--upstreams", type=int, default=4, metavar="N", help="that the executions are spread over"
    )
    options.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="of bare calls, each client and round"
    )
    options.add_argument(
        "--profile", action="store_true", help="sample what the worker's processor time goes to"
    )
    return options.parse_args()


class Bench:
    def __init__(
        self, service: Service, called: Upstreams, dsn: str, apart: Apart, arguments: argparse.Namespace
    ) -> None:
        tenant = service.tenant("acme")
        self.profile = service.data.with_name("profile.json") if arguments.profile else None
        self._webhooks: tuple[Webhook, ...] = tuple(
            tenant.call(f"in-{number}", url) for number, url in enumerate(called.healthy)
        )
        self._service = service
        self._called = called
        self._dsn = dsn
        self._apart = apart
        self._arguments = arguments

    def call(self, client: str) -> Mapping[str, float]:
        """Bare calls, by one client."""
        rate, processor_ms = self._apart.call(
            bare_calls.run,
            client,
            self._called.healthy[0],
            BODY,
            self._arguments.concurrency,
            self._arguments.seconds,
        )
        self._called.take()
        name = BARE.format(client)
        return {f"{name}, calls/s": rate, f"{name}, client ms/call": processor_ms}

    def work(self) -> Mapping[str, float]:
        """A worker on a full queue, until it is empty."""
        self._fill()
        env = {"JACKFIELD_CONCURRENCY": str(self._arguments.concurrency)}
        postgres_before = self._service.postgres_s
        with working(self._service.data, profile=self.profile, env=env) as worker:
            before = worker.processor_s
            with worker.sampled():
                self._watch()
            processor_s = worker.processor_s - before
            progress = asyncio.run(self._settle())
        postgres_s = self._service.postgres_s - postgres_before
        count, receipts = self._arguments.count, self._called.take()
        if progress.statuses != {"succeeded": count}:
            say(f"  not all succeeded: {progress.statuses}")
        return {
            f"{WORKER}, stored/s": progress.rate,
            f"{WORKER}, received/s": steady_rate(receipts),
            f"{WORKER}, received twice": float(len(receipts) - count),
            f"{WORKER}, worker ms/execution": processor_s * MILLI / count,
            f"{WORKER}, PostgreSQL ms/execution": postgres_s * MILLI / count,
        }

    def about(self) -> dict[str, object]:
        return {"postgresql": asyncio.run(database.ask(self._dsn, database.describe))}

    def _fill(self) -> None:
        count = self._arguments.count
        asyncio.run(database.ask(self._dsn, database.forget_executions))
        plan = Plan(webhooks=self._webhooks, seconds=FILLING_S, requests=count, size=BODY)
        result = self._apart.call(load.run, plan)
        waiting = asyncio.run(database.ask(self._dsn, database.count_waiting))
        say(f"  {waiting:,} executions wait, after {result.elapsed_s:.1f} s")
        if waiting != count:
            raise SystemExit(f"only {waiting} of {count}: {result.failures}")

    def _watch(self) -> None:
        """Until the upstream has had all, or nothing more comes."""
        count, moved, told = 0, time.monotonic(), time.monotonic()
        while count < self._arguments.count:
            time.sleep(POLL_S)
            now, seen = time.monotonic(), self._called.count()
            if seen > count:
                count, moved = seen, now
            if now - told > TELL_S:
                say(f"  {count:,} executed")
                told = now
            if now - moved > STALLED_S:
                raise SystemExit(f"the worker stopped after {count} executions")

    async def _settle(self) -> Progress:
        """What the upstream has received may not be stored yet."""
        async with database.connect(self._dsn) as connection, asyncio.timeout(STALLED_S):
            # In the database, which has no event for it.
            while (progress := await database.progress(connection)).is_going_on:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            return progress


def steady_rate(receipts: Receipts) -> float:
    """Per second, between a tenth and nine tenths of them."""
    tenth, ninth = len(receipts) // 10, len(receipts) * 9 // 10
    times = sorted(receipts.received)
    return (ninth - tenth) * 1e9 / (times[ninth] - times[tenth])


@contextmanager
def open_bench(service: Service, called: Upstreams, arguments: argparse.Namespace) -> Iterator[Bench]:
    with database.urls(service.data) as urls, Apart() as apart:
        yield Bench(service, called, database.dsn(urls), apart, arguments)


if __name__ == "__main__":
    main()
