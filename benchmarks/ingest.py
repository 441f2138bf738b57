"""What a durable, verified, deduplicated webhook costs: requests/s against a bare echo on the same server.

    .venv/bin/python benchmarks/ingest.py [--rounds 3] [--seconds 4] [--connections 64] [--profile]

Three servers (uvicorn, httptools, uvloop), each in a process of its own, get the same requests in turn; and
before them a server that only parses and answers, which shows how much the load generator could do:
- a bare ASGI echo, which keeps nothing;
- an ASGI application that verifies the signature and commits each request by itself, with its dedup key and
  its execution;
- `jackfield serve --no-worker`, into a `store` handler.
The last two write to the same PostgreSQL, and what they answered 2xx is compared with what is stored.
``--profile`` adds a sampling profile of the service, which costs it some speed, and the processor time of
each part per request.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext

import httpx2
from harness import database, load, sampler
from harness.load import Plan, Result
from harness.processes import Apart, beside, processor_seconds
from harness.report import interleave, parser, publish, ratio, say
from harness.service import SECRET, Service, data_folder, serving
from harness.upstream import upstreams
from harness.webhooks import Webhook, signature
from harness.yardsticks import count_requests, serve_echo, serve_one_commit

GENERATOR, ECHO, ONE_COMMIT, JACKFIELD = "generator alone", "bare echo", "one commit each", "jackfield"
MILLI = 1000
YARDSTICKS = "yardsticks"


def main() -> None:
    arguments = read_arguments()
    with data_folder() as data:
        profile = data.with_name("profile.json") if arguments.profile else None
        with ExitStack() as stack:
            options = ("--no-worker", "--workers", str(arguments.workers))
            service = stack.enter_context(serving(data, *options, profile=profile))
            bench = stack.enter_context(open_bench(service, arguments))
            samples = interleave(arguments.rounds, {name: bench.step(name) for name in bench.targets})
            bench.check()
            about = bench.about()
        rate, cost = "{}, requests/s".format, "{}, processor ms/request".format
        ratios = {
            "jackfield / bare echo": ratio(samples, rate(JACKFIELD), rate(ECHO), ">= 0.4, aim 0.5"),
            "jackfield / one commit each": ratio(samples, rate(JACKFIELD), rate(ONE_COMMIT), ">= 2.5"),
            "processor time of a request, bare echo / jackfield": ratio(samples, cost(ECHO), cost(JACKFIELD)),
            "processor time of a request, one commit each / jackfield": ratio(
                samples, cost(ONE_COMMIT), cost(JACKFIELD)
            ),
        }
        publish(samples, ratios, arguments, **about)
        if profile is not None:
            sampler.show(profile)


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=3)
    options.add_argument(
        "--seconds", type=float, default=4.0, metavar="S", help="measured of each server and round"
    )
    options.add_argument("--connections", type=int, default=64, metavar="N")
    options.add_argument("--body", type=int, default=1024, metavar="BYTES")
    options.add_argument("--workers", type=int, default=1, metavar="N", help="processes of the service")
    options.add_argument(
        "--profile", action="store_true", help="sample what the service's processor time goes to"
    )
    return options.parse_args()


class Bench:
    """The servers, ready, and what each has accepted so far."""

    def __init__(
        self,
        service: Service,
        targets: Mapping[str, tuple[Webhook, Callable[[], float]]],
        apart: Apart,
        dsns: Mapping[str, str],
        arguments: argparse.Namespace,
    ) -> None:
        self.targets = targets
        self._service = service
        self._apart = apart
        self._dsns = dsns
        self._arguments = arguments
        self._accepted = dict.fromkeys(targets, 0)
        self._failures: dict[str, dict[str, int]] = {}

    def step(self, name: str) -> Callable[[], Mapping[str, float]]:
        return lambda: self._measure(name)

    def check(self) -> None:
        """What was acknowledged is there, once; and a forged request is refused, a repeated one kept once."""
        webhook, _ = self.targets[JACKFIELD]
        for delivery, secret, expected in (
            ("once", SECRET, 202),
            ("once", SECRET, 202),
            ("forged", "wrong", 401),
        ):
            found = post(webhook, delivery, secret.encode())
            if found != expected:
                raise SystemExit(f"a {delivery} delivery got {found}, not {expected}")
        for name, count in ((JACKFIELD, database.count_executions), (ONE_COMMIT, count_requests)):
            wanted = self._accepted[name] + (name == JACKFIELD)
            stored = asyncio.run(database.ask(self._dsns[name], count))
            say(f"{name}: {wanted:,} acknowledged, {stored:,} stored")
            # A request whose connection broke may be stored without having been acknowledged.
            if not wanted <= stored <= wanted + self._failures.get(name, {}).get("lost", 0):
                raise SystemExit("these should be the same")

    def about(self) -> dict[str, object]:
        return {
            "postgresql": asyncio.run(database.ask(self._dsns[JACKFIELD], database.describe)),
            "failures": self._failures,
        }

    def _measure(self, name: str) -> Mapping[str, float]:
        webhook, processor_s = self.targets[name]
        plan = Plan(
            webhooks=(webhook,),
            seconds=self._arguments.seconds,
            connections=self._arguments.connections,
            size=self._arguments.body,
        )
        before, postgres_before = processor_s(), self._service.postgres_s
        with self._service.process.sampled() if name == JACKFIELD else nullcontext():
            result = self._apart.call(load.run, plan)
        spent, postgres = processor_s() - before, self._service.postgres_s - postgres_before
        self._note(name, result)
        return {
            f"{name}, requests/s": result.rate,
            f"{name}, p50 ms": result.latencies.percentile(50) * MILLI,
            f"{name}, p99 ms": result.latencies.percentile(99) * MILLI,
            f"{name}, server ms/request": spent * MILLI / max(1, result.accepted),
            f"{name}, PostgreSQL ms/request": postgres * MILLI / max(1, result.accepted),
            f"{name}, processor ms/request": (spent + postgres) * MILLI / max(1, result.accepted),
            f"{name}, generator ms/request": result.processor_s * MILLI / max(1, result.accepted),
            f"{name}, generator's share of a processor": result.processor_s / result.elapsed_s,
        }

    def _note(self, name: str, result: Result) -> None:
        self._accepted[name] += result.accepted
        for failure, count in result.failures.items():
            say(f"  {name}: {failure}, {count:,} times")
            of_server = self._failures.setdefault(name, {})
            of_server[failure] = of_server.get(failure, 0) + count


@contextmanager
def open_bench(service: Service, arguments: argparse.Namespace) -> Iterator[Bench]:
    webhook = service.tenant("acme").store("in")
    with ExitStack() as stack:
        urls = stack.enter_context(database.urls(service.data))
        dsns = {JACKFIELD: database.dsn(urls), ONE_COMMIT: database.dsn(urls, YARDSTICKS)}
        asyncio.run(create_database(dsns[JACKFIELD]))
        echo = stack.enter_context(beside(serve_echo))
        one = stack.enter_context(beside(serve_one_commit, dsns[ONE_COMMIT], SECRET.encode(), database.POOL))
        sink = stack.enter_context(upstreams())
        targets = {
            GENERATOR: (
                at(webhook, int(sink.healthy[0].rpartition(":")[2])),
                lambda: processor_seconds(sink.pid),
            ),
            ECHO: (at(webhook, echo.said), lambda: processor_seconds(echo.pid)),
            ONE_COMMIT: (at(webhook, one.said), lambda: processor_seconds(one.pid)),
            JACKFIELD: (webhook, lambda: service.processor_s),
        }
        yield Bench(service, targets, stack.enter_context(Apart()), dsns, arguments)


def at(webhook: Webhook, port: int) -> Webhook:
    return Webhook(port, webhook.path, webhook.secret)


def post(webhook: Webhook, delivery: str, secret: bytes) -> int:
    body = b'{"text":"one"}'
    headers = {
        "Content-Type": "application/json",
        "X-Hub-Signature-256": signature(secret, body),
        "X-GitHub-Delivery": delivery,
    }
    response = httpx2.post(f"http://127.0.0.1:{webhook.port}{webhook.path}", content=body, headers=headers)
    return response.status_code


async def create_database(dsn: str) -> None:
    async with database.connect(dsn) as connection:
        await connection.execute(f"CREATE DATABASE {YARDSTICKS}")


if __name__ == "__main__":
    main()
