"""What documents cost that are made to hurt: each is to be refused or read within 2 s and 512 MB.

    .venv/bin/python benchmarks/hostile_documents.py [NAME ...]    # --megabytes N, --json FILE

Every document is read and planned in a process of its own, as `jackfield openapi plan` does, and compared
with itself, as a dry run does, where it can be read at all. Time is processor time, and memory the most that
the process had over what it had before; both include the process that YAML is read in. The documents are as
large as is asked for, or as the limits allow: a larger one is refused before it is read.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.hostile_json import JSON_CASES
from harness.hostile_yaml import YAML_CASES
from harness.report import parser, say
from rich.console import Console
from rich.table import Table

from app.core.errors import AppError
from app.core.memory import peak_bytes
from app.openapi_sync.differences import differences
from app.openapi_sync.document import Document, read
from app.openapi_sync.operation import Operation
from app.openapi_sync.operations import operations
from app.openapi_sync.plan import plan
from app.openapi_sync.tool_schemas import ToolSchemas

PER_MB = 1024 * 1024
MEGABYTES = 64
"""The most that the service takes."""
MOST_SECONDS, MOST_TO_COMPARE, MOST_MB = 2.0, 5.5, 512
TIMES = ("read s", "plan s", "differences s", "schema s")
"""The first two are those of every sync, and have the time together."""
CASES: dict[str, Callable[[int], bytes]] = YAML_CASES | JSON_CASES


def main() -> None:
    arguments = read_arguments()
    if arguments.one:
        print(json.dumps(measure(CASES[arguments.one](arguments.megabytes * PER_MB))))
        return
    figures = {}
    for name in arguments.names or CASES:
        figures[name] = in_a_process_of_its_own(name, arguments.megabytes)
        say(f"{name}: {figures[name]}")
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))
    if over := [name for name, one in figures.items() if is_over(one)]:
        raise SystemExit(f"took too long, or over {MOST_MB} MB: {', '.join(over)}")


def read_arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=1)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}")
    options.add_argument("--megabytes", type=int, default=MEGABYTES, metavar="N")
    options.add_argument("--one", help=argparse.SUPPRESS)
    return options.parse_args()


def in_a_process_of_its_own(name: str, megabytes: int) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__)), "--one", name, "--megabytes", str(megabytes)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        return {
            "MB size": 0.0,
            "MB": math.inf,
            "answer": f"died: {done.returncode}, {done.stderr.decode()[-200:]}",
        }
    return dict(json.loads(done.stdout))


def measure(raw: bytes) -> dict[str, Any]:
    """Of each step the processor seconds, and what came of it."""
    figures: dict[str, Any] = {"MB size": len(raw) / PER_MB, "answer": ""}
    before, of_child = peak_bytes(), 0
    try:
        with spent(figures, "read s"):
            document = read(raw)
        of_child = document.peak_bytes
        with spent(figures, "plan s"):
            made = plan([], operations(document), taken_names=frozenset(), integration_name="")
        figures["answer"] = f"{len(made.create)} operations"
        with spent(figures, "differences s"):
            differences(document, document)
        with spent(figures, "schema s"):
            describe(document, [one.operation for one in made.create])
    except AppError as refusal:
        figures["answer"] += f" refused: {refusal.detail}"
    figures["MB"] = (peak_bytes() - before + (of_child or most_of_children())) / PER_MB
    return figures


@contextmanager
def spent(figures: dict[str, Any], name: str) -> Iterator[None]:
    began = processor_s()
    try:
        yield
    finally:
        figures[name] = processor_s() - began


def describe(document: Document, described: Sequence[Operation]) -> None:
    """What an agent or a form is told of the first operation."""
    for operation in described[:1]:
        ToolSchemas(document).input(operation)
        ToolSchemas(document).arguments(operation)
        ToolSchemas(document).output(operation)


def processor_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def most_of_children() -> int:
    """Of a child that told nothing, all that it had."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def is_over(figures: Mapping[str, Any]) -> bool:
    read, plan, compared, described = (figures.get(name, 0.0) for name in TIMES)
    is_slow = max(read + plan, described) > MOST_SECONDS or compared > MOST_TO_COMPARE
    return is_slow or figures["MB"] > MOST_MB


def show(figures: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table("", "MB of document", *TIMES, "MB", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_column("answer")
    for name, one in figures.items():
        told = [f"{one[each]:.2f}" if each in one else "-" for each in ("MB size", *TIMES)]
        table.add_row(name, *told, f"{one['MB']:.0f}", one["answer"][:90])
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
