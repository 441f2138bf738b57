"""What syncing real API descriptions costs, against what merely parsing and storing them would.

    .venv/bin/python benchmarks/openapi.py FOLDER [--rounds 5] [--no-database]

Each round does for every JSON and YAML file of the folder, in turn:
- the bare parse of it: `orjson.loads`, or PyYAML's `CSafeLoader` for what is no JSON;
- reading it and planning a first sync, as `jackfield openapi plan` does; both in processor time;
- a sync of it through the API of `jackfield serve`, the same once more, and a plain COPY of as many rows into
  a table like that of the handlers, each from request to answer.
Memory is that of `jackfield openapi plan` in a process of its own, over what it had when it began.
"""

import argparse
import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import yaml
from harness import database
from harness.processes import Apart
from harness.report import Ratio, Samples, interleave, parser, publish, ratio, say
from harness.service import JACKFIELD, Tenant, data_folder, serving
from rich.console import Console
from rich.table import Table

from app.openapi_sync.offline import plan_offline

MILLI = 1000
PER_MB = 1024 * 1024
REPETITIONS = 3
"""Of each parse and plan within a round, of which the median counts."""
MOST_MB = 16
PARSE, PLAN, SYNC, AGAIN, COPY = "parse ms", "plan ms", "sync ms", "again ms", "COPY ms"


def main() -> None:
    arguments = read_arguments()
    files = sorted(file for file in arguments.folder.iterdir() if file.suffix in {".json", ".yaml", ".yml"})
    with ExitStack() as stack:
        apart = stack.enter_context(Apart())
        described = {file.name: describe(file) for file in files}
        steps: dict[str, Callable[[], Mapping[str, float]]] = {
            file.name: partial(apart.call, plan, str(file)) for file in files
        }
        if not arguments.no_database:
            data = stack.enter_context(data_folder())
            tenant = stack.enter_context(serving(data, "--no-worker")).tenant("openapi")
            dsn = database.dsn(stack.enter_context(database.urls(data)))
            for file in files:
                if described[file.name]["handlers"]:
                    steps[f"{file.name}: database"] = partial(sync, file, tenant, dsn)
        samples = interleave(arguments.rounds, steps)
    show(described, samples)
    publish(samples, ratios(described, samples), arguments, files=described)


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=5)
    options.add_argument("folder", type=Path)
    options.add_argument("--no-database", action="store_true", help="parse and plan only")
    return options.parse_args()


def describe(file: Path) -> dict[str, Any]:
    """What a plan of the file says, and what it needs."""
    command = [JACKFIELD, "openapi", "plan", str(file), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    counts = {name: len(told[name]) for name in ("handlers", "skipped", "warnings")}
    mb = file.stat().st_size / PER_MB
    say(f"{file.name}: {counts['handlers']} handlers")
    return {"mb": mb, "openapi": told["openapi"], "json": is_json(file), **counts, "peakMb": told["peakMb"]}


def is_json(file: Path) -> bool:
    try:
        orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        return False
    return True


def plan(path: str) -> dict[str, float]:
    """Processor milliseconds of the bare parse and of the plan, in turn."""
    file = Path(path)
    raw = file.read_bytes()
    parse = orjson.loads if is_json(file) else partial(yaml.load, Loader=yaml.CSafeLoader)
    parses, plans = [], []
    for _ in range(REPETITIONS):
        began = time.process_time()
        parse(raw)
        parses.append((time.process_time() - began) * MILLI)
        made = plan_offline(raw, "")
        plans.append(made.parse_ms + made.plan_ms)
    return {f"{file.name}, {PARSE}": median(parses), f"{file.name}, {PLAN}": median(plans)}


def sync(file: Path, tenant: Tenant, dsn: str) -> dict[str, float]:
    """Milliseconds of a sync that makes all handlers, of one that makes none, and of a COPY of those rows."""
    home, raw = tenant.integration(), file.read_bytes()
    first, made = timed(lambda: tenant.sync(home, raw))
    again, unchanged = timed(lambda: tenant.sync(home, raw))
    if unchanged["created"] or unchanged["unchanged"] != made["created"]:
        raise SystemExit(f"{file.name}: {made} and then {unchanged}")
    copied = asyncio.run(database.ask(dsn, partial(database.copy_handlers, integration=home)))
    name = file.name
    tenant.forget(home)
    return {f"{name}, {SYNC}": first, f"{name}, {AGAIN}": again, f"{name}, {COPY}": copied * MILLI}


def timed(work: Callable[[], dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    result = work()
    return (time.perf_counter() - began) * MILLI, result


def ratios(described: Mapping[str, Mapping[str, Any]], samples: Samples) -> dict[str, Ratio]:
    def of(names: Sequence[str], over: str, under: str) -> list[float]:
        return [ratio(samples, f"{name}, {over}", f"{name}, {under}").value for name in names]

    of_json = [name for name, file in described.items() if file["json"]]
    of_yaml = [name for name, file in described.items() if not file["json"]]
    stored = [name for name in described if f"{name}, {SYNC}" in samples]
    found = {}
    if of_json:
        found["JSON: plan / orjson.loads, median"] = Ratio(median(of(of_json, PLAN, PARSE)), "<= 2.5")
        found["JSON: plan / orjson.loads, most"] = Ratio(max(of(of_json, PLAN, PARSE)), "<= 3.5")
        most = max(described[name]["peakMb"] for name in of_json)
        found["JSON: MB beyond the document, most"] = Ratio(most, f"<= {MOST_MB}")
    if of_yaml:
        largest = max(of_yaml, key=lambda name: float(described[name]["mb"]))
        found["YAML: plan / CSafeLoader, largest file"] = Ratio(of([largest], PLAN, PARSE)[0], "<= 0.2")
        found["YAML: plan / CSafeLoader, most"] = Ratio(max(of(of_yaml, PLAN, PARSE)))
        needed = described[largest]["peakMb"] / described[largest]["mb"]
        found["YAML: memory / document, largest file"] = Ratio(needed, "<= 15")
    if stored:
        found["sync / COPY, median"] = Ratio(median(of(stored, SYNC, COPY)))
        found["an unchanged document again, ms, most"] = Ratio(
            max(median(samples[f"{name}, {AGAIN}"]) for name in stored)
        )
    return found


def show(described: Mapping[str, Mapping[str, Any]], samples: Samples) -> None:
    counts, costs = ("handlers", "skipped", "warnings"), (PARSE, PLAN, "ratio", "peak MB", SYNC, AGAIN, COPY)
    table = Table("", "MB", "OpenAPI", *counts, *costs, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, file in described.items():
        times = {each: samples.get(f"{name}, {each}") for each in (PARSE, PLAN, SYNC, AGAIN, COPY)}
        shown = {each: f"{median(values):.1f}" if values else "-" for each, values in times.items()}
        table.add_row(
            name,
            f"{file['mb']:.2f}",
            file["openapi"],
            *(str(file[each]) for each in counts),
            shown[PARSE],
            shown[PLAN],
            f"{ratio(samples, f'{name}, {PLAN}', f'{name}, {PARSE}').value:.2f}",
            f"{file['peakMb']:.1f}",
            *(shown[each] for each in (SYNC, AGAIN, COPY)),
        )
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
