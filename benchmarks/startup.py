"""What a start costs, and what a quiet process holds: medians of several rounds, and ratios.

    .venv/bin/python benchmarks/startup.py [--rounds 5] [--json FILE]

The yardstick is the smallest FastAPI application on uvicorn, started in the same rounds: seconds are this
machine's, ratios are the software's. Processor seconds are those of the process itself, which a busy machine
changes less than what a clock shows; PostgreSQL's are not among them. Linux only: /proc is read.
"""

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

JACKFIELD = str(Path(sys.executable).with_name("jackfield"))
POLL_S = 0.002
PATIENCE_S = 60.0
QUIET_S = 1.0
"""Between the first answer and the look at the memory: what a start leaves behind is gone by then."""

BARE = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/readyz")
async def is_ready() -> dict[str, str]:
    return {"status": "ok"}
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical")
"""

Samples = dict[str, list[float]]


class Seconds(NamedTuple):
    clock: float
    processor: float

    def of(self, name: str) -> dict[str, float]:
        return {f"{name}, s": self.clock, f"{name}, processor s": self.processor}


def main() -> None:
    arguments = read_arguments()
    screen = Console(stderr=True)
    samples = measure(arguments.rounds, screen)
    figures = summarise(samples)
    show(figures, Console())
    machine = {
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": sys.version.split()[0],
    }
    text = json.dumps({"rounds": arguments.rounds, "machine": machine, "figures": figures}, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args()


def measure(rounds: int, screen: Console) -> Samples:
    """Each round measures everything once, so that a busy moment of the machine hits all alike.

    Nothing is deleted before the end: for minutes after a thousand files were, ext4 makes each new one
    slowly, looking for an inode that was not just deleted, and a first boot makes a thousand.
    """
    samples: Samples = {}
    with tempfile.TemporaryDirectory() as folder, Progress(console=screen) as progress:
        task = progress.add_task("starting", total=rounds * len(STEPS))
        for number in range(rounds):
            data = Path(folder) / str(number)
            data.mkdir()
            for name, step in STEPS.items():
                progress.update(task, description=name)
                for figure, value in step(data).items():
                    samples.setdefault(figure, []).append(value)
                progress.advance(task)
    return samples


def bare(_: Path) -> dict[str, float]:
    with started([sys.executable, "-c", BARE], free_port()) as (process, seconds):
        time.sleep(QUIET_S)
        return {**seconds.of("bare FastAPI"), "bare FastAPI, MB": memory(process.pid)}


def first_boot(data: Path) -> dict[str, float]:
    with started(serve(data), free_port()) as (_, seconds):
        return seconds.of("first boot")


def later_boot(data: Path) -> dict[str, float]:
    """On the folder that the first boot made."""
    with started(serve(data), free_port()) as (process, seconds):
        time.sleep(QUIET_S)
        return {**seconds.of("later boot"), "quiet process, MB": memory(process.pid)}


def usage(_: Path) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([JACKFIELD, "--help"], stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(seconds, spent).of("--help")


STEPS: dict[str, Callable[[Path], dict[str, float]]] = {
    "bare FastAPI": bare,
    "first boot": first_boot,
    "later boot": later_boot,
    "--help": usage,
}


def serve(data: Path) -> list[str]:
    return [JACKFIELD, "serve", "--data", str(data / "data"), "--port"]


@contextmanager
def started(command: Sequence[str], port: int) -> Iterator[tuple[subprocess.Popen[bytes], Seconds]]:
    """The process, and what passed from its start to its first 2xx."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JACKFIELD_")}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not is_ready(port):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE_S:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(POLL_S)
        yield process, Seconds(time.perf_counter() - began, processor_seconds(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004 -- the 2xx that readiness has
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """In user and kernel mode: fields 14 and 15 of proc(5), counted after the name in brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident set, in megabytes of 1,000,000 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("/proc tells nothing about memory here")


def summarise(samples: Samples) -> dict[str, dict[str, float]]:
    """By figure: median, least, most, and the ratio of the median to that of the bare application."""
    medians = {name: round(median(values), 3) for name, values in samples.items()}
    yardsticks = {unit: medians[f"bare FastAPI, {unit}"] for unit in ("s", "processor s", "MB")}
    return {
        name: {
            "median": value,
            "least": round(min(samples[name]), 3),
            "most": round(max(samples[name]), 3),
            "ratio": round(value / yardsticks[name.partition(", ")[2]], 2),
        }
        for name, value in medians.items()
    }


def show(figures: dict[str, dict[str, float]], screen: Console) -> None:
    columns = ("median", "least", "most", "ratio")
    table = Table("", *columns, box=None)
    for name, figure in figures.items():
        table.add_row(name, *(f"{figure[column]:g}" for column in columns))
    screen.print(table)


if __name__ == "__main__":
    main()
