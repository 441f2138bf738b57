"""What one hung upstream costs the others: the time from a webhook to their receipt of it.

    .venv/bin/python benchmarks/isolation.py [--rounds 5] [--seconds 10] [--rate 400] [--upstreams 10]

Each round measures the same open-loop load three times, each time on `jackfield serve` with a data folder of
its own, so that nothing is left over from before. The webhooks are for each upstream in turn, and only the
last of these differs:
- it answers as the others do, which is what the hung one is compared with;
- it accepts calls and never answers;
- it gets no webhooks at all, which shows what the load alone costs.
Every upstream belongs to a tenant of its own, unless ``--one-tenant``. The time is the receipt's minus the
sending's, both by the one monotonic clock; what has not arrived ``--patience`` seconds after the last one
was sent is counted as missing, and as later than all that have.
"""

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from functools import partial

from harness import load
from harness.load import Plan
from harness.processes import Apart
from harness.report import change, interleave, parser, publish, say
from harness.service import Service, Tenant, data_folder, serving
from harness.upstream import Receipts, Upstreams, upstreams
from harness.webhooks import Webhook

ANSWERS, HANGS, ABSENT = "all answer", "one hangs", "without that one"
POLL_S = 0.05
MILLI = 1000
CONNECTIONS = 32
SIZE = 512
AT_ONCE = {"JACKFIELD_SHUTDOWN_GRACE": "0.5"}
"""Nobody waits at the end for calls that hang."""


def main() -> None:
    arguments = read_arguments()
    with Apart() as apart:
        steps = {name: partial(measure, name, apart, arguments) for name in (ANSWERS, HANGS, ABSENT)}
        samples = interleave(arguments.rounds, steps)
    answers, hangs, absent = (f"{name}, p95 ms" for name in (ANSWERS, HANGS, ABSENT))
    ratios = {
        "change of the others' p95 when one hangs, %": change(samples, hangs, answers, "< 10"),
        "the same, against a load without that one, %": change(samples, hangs, absent),
    }
    publish(samples, ratios, arguments)


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=5)
    options.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="measured of each load and round"
    )
    options.add_argument(
        "--rate", type=float, default=400.0, metavar="N", help="webhooks/s, for all upstreams together"
    )
    options.add_argument(
        "--upstreams", type=int, default=10, metavar="N", help="of which one hangs, at least 2"
    )
    options.add_argument("--warm-up", type=float, default=2.0, metavar="S", help="not measured")
    options.add_argument(
        "--patience", type=float, default=15.0, metavar="S", help="for receipts, once all is sent"
    )
    options.add_argument("--one-tenant", action="store_true", help="all handlers belong to one tenant")
    return options.parse_args()


def measure(name: str, apart: Apart, arguments: argparse.Namespace) -> Mapping[str, float]:
    count = arguments.upstreams - 1
    with (
        upstreams(healthy=count) as others,
        upstreams(healthy=1, hung=1) as last,
        data_folder() as data,
        serving(data, env=AT_ONCE) as service,
    ):
        urls = [*others.healthy, *{ANSWERS: last.healthy, HANGS: last.hung, ABSENT: []}[name]]
        plan = Plan(
            webhooks=furnish(service, urls, one_tenant=arguments.one_tenant),
            seconds=arguments.seconds,
            warm_up_s=arguments.warm_up,
            connections=CONNECTIONS,
            size=SIZE,
            rate=arguments.rate * len(urls) / arguments.upstreams,
            is_stamped=True,
        )
        result = apart.call(load.run, plan)
        if result.failures:
            say(f"  not accepted: {result.failures}")
        rounds, rest = divmod(result.accepted, len(urls))
        expected = rounds * count + min(rest, count)
        receipts = collect(others, expected, arguments.patience)
        missing = max(0, expected - len(receipts))
        delays = after_warm_up(receipts, arguments.warm_up) + [math.inf] * missing
        percentiles = {f"{name}, p{percent} ms": percentile(delays, percent) for percent in (50, 95, 99)}
        figures = percentiles | {f"{name}, missing": float(missing)}
        return figures | ({f"{name}, hung at a time": float(last.most_hung())} if name == HANGS else {})


def furnish(service: Service, urls: Sequence[str], *, one_tenant: bool) -> tuple[Webhook, ...]:
    """Webhooks to be called in turn, one for each upstream."""
    tenants = Tenants(service, one_tenant=one_tenant)
    return tuple(tenants.next().call(f"in-{number}", url) for number, url in enumerate(urls))


class Tenants:
    """A new tenant each time, or the same one."""

    def __init__(self, service: Service, *, one_tenant: bool) -> None:
        self._service = service
        self._one_tenant = one_tenant
        self._made: list[Tenant] = []

    def next(self) -> Tenant:
        if not self._made or not self._one_tenant:
            self._made.append(self._service.tenant(f"tenant-{len(self._made)}"))
        return self._made[-1]


def collect(called: Upstreams, expected: int, patience_s: float) -> Receipts:
    """When all have arrived, or nothing more can be waited for."""
    deadline = time.monotonic() + patience_s
    while called.count() < expected and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return called.take()


def after_warm_up(receipts: Receipts, warm_up_s: float) -> list[float]:
    """Milliseconds, in order of size, of what was sent after the warm-up."""
    if not receipts.sent:
        return []
    since = min(receipts.sent) + warm_up_s * 1e9
    return sorted(delay * MILLI for sent, delay in receipts.delays if sent >= since)


def percentile(ordered: list[float], percent: int) -> float:
    """Of all that were sent: ``ordered`` has infinity for those that did not arrive."""
    return (
        ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan
    )


if __name__ == "__main__":
    main()
