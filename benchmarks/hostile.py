"""What hostile clients cost everybody else: the p95 of normal webhooks, quiet and under attack.

    .venv/bin/python benchmarks/hostile.py [--rounds 3] [--seconds 5] [--rate 200] [--json FILE]

`jackfield serve` gets signed webhooks at a fixed rate, on a schedule: a latency counts from the moment when
the request was due. Each round measures them quiet, then while
- bodies of 100 MB are pushed at a webhook, with a length and chunked (``--pushers``);
- bodies arrive in drops, a byte in a tenth of a second (``--drips``);
- sockets are open that say nothing (``--idle``).
Who attacks does it in a process of its own, and again when refused. Its processor time is shown, for on a
small machine an attacker on the same one costs by that alone.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial

from harness import attackers, load
from harness.load import Plan
from harness.processes import Apart, beside, processor_seconds
from harness.report import interleave, parser, publish, ratio, say
from harness.service import Service, allow_many_files, data_folder, serving
from harness.webhooks import Webhook

QUIET = "quiet"
CONNECTIONS = 32
MILLI = 1000


def main() -> None:
    arguments = read_arguments()
    allow_many_files()
    attacks: dict[str, tuple[Callable[..., None], int]] = {
        "100 MB bodies": (attackers.push, arguments.pushers),
        "bodies in drops": (attackers.drip, arguments.drips),
        "idle sockets": (attackers.idle, arguments.idle),
    }
    with Apart() as apart, data_folder() as data, serving(data) as service:
        tenant = service.tenant("acme")
        bench = Bench(service, tenant.store("in"), tenant.store("attacked"), apart, arguments)
        steps = {QUIET: bench.measure_quiet} | {
            name: partial(bench.measure_attacked, name, *attack) for name, attack in attacks.items()
        }
        samples = interleave(arguments.rounds, steps)
    ratios = {
        f"p95, {name} / {QUIET}": ratio(samples, f"{name}, p95 ms", f"{QUIET}, p95 ms", "< 2")
        for name in attacks
    }
    publish(samples, ratios, arguments)


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=3)
    options.add_argument(
        "--seconds", type=float, default=5.0, metavar="S", help="measured of each attack and round"
    )
    options.add_argument("--rate", type=float, default=200.0, metavar="N", help="normal webhooks per second")
    options.add_argument("--pushers", type=int, default=2, metavar="N")
    options.add_argument("--drips", type=int, default=200, metavar="N")
    options.add_argument("--idle", type=int, default=1000, metavar="N")
    return options.parse_args()


class Bench:
    def __init__(
        self,
        service: Service,
        normal: Webhook,
        attacked: Webhook,
        apart: Apart,
        arguments: argparse.Namespace,
    ) -> None:
        self._service = service
        self._attacked = attacked
        self._apart = apart
        self._plan = Plan(
            webhooks=(normal,), seconds=arguments.seconds, connections=CONNECTIONS, rate=arguments.rate
        )

    def measure_quiet(self) -> Mapping[str, float]:
        return self._measure(QUIET)

    def measure_attacked(self, name: str, attack: Callable[..., None], count: int) -> Mapping[str, float]:
        with beside(attack, self._attacked, count) as attacker:
            before = processor_seconds(attacker.pid)
            figures = self._measure(name)
            spent, done = processor_seconds(attacker.pid) - before, attacker.ask("what was done")
        return {
            **figures,
            f"{name}, attacker's processor s": spent,
            f"{name}, attacker's connections": done.connections,
            f"{name}, attacker's MB": done.sent / 1e6,
        }

    def _measure(self, name: str) -> Mapping[str, float]:
        before = self._service.processor_s
        result = self._apart.call(load.run, self._plan)
        if result.failures:
            say(f"  failed: {result.failures}")
        return {
            f"{name}, p50 ms": result.latencies.percentile(50) * MILLI,
            f"{name}, p95 ms": result.latencies.percentile(95) * MILLI,
            f"{name}, p99 ms": result.latencies.percentile(99) * MILLI,
            f"{name}, accepted/s": result.rate,
            f"{name}, service's processor s": self._service.processor_s - before,
            f"{name}, service's MB": self._service.memory_mb,
        }


if __name__ == "__main__":
    main()
