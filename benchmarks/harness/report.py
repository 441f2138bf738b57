"""How a benchmark is run and told: rounds with progress, medians, ratios of one run, a table and JSON."""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

Samples = dict[str, list[float]]
Step = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """``target`` as people read it: ``>= 0.4``."""

    value: float
    target: str = ""


def parser(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """The options of every script; and from here on SIGTERM ends it as Ctrl-C does, cleaning up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds, metavar="N")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return made


def interleave(rounds: int, steps: Mapping[str, Step]) -> Samples:
    """Each round does every step once, so that a busy moment of the machine hits all alike; and every other
    round does them backwards, so that what a step leaves behind favours none."""
    samples: Samples = {}
    for number in range(1, rounds + 1):
        for name, step in list(steps.items())[:: 1 if number % 2 else -1]:
            say(f"round {number}/{rounds}: {name}")
            figures = step()
            say(
                "  "
                + ", ".join(
                    f"{figure.removeprefix(name + ', ')} {_shown(value)}" for figure, value in figures.items()
                )
            )
            for figure, value in figures.items():
                samples.setdefault(figure, []).append(value)
    return samples


def say(line: str) -> None:
    """Progress, on standard error: a line each, readable in a file as well."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def ratio(samples: Samples, over: str, under: str, target: str = "") -> Ratio:
    """The median of what each round says: the speed of a machine that others use as well changes from one
    round to the next, and by more than what is to be measured."""
    rounds = zip(samples[over], samples[under], strict=True)
    return Ratio(median(each / yardstick for each, yardstick in rounds), target)


def change(samples: Samples, to: str, by: str, target: str = "") -> Ratio:
    """As ``ratio``, in percent of the difference."""
    return Ratio((ratio(samples, to, by).value - 1) * 100, target)


def publish(
    samples: Samples, ratios: Mapping[str, Ratio], arguments: argparse.Namespace, **about: object
) -> None:
    """Print the tables and the JSON, and write the latter where it is wanted."""
    figures = {
        name: {"median": median(values), "least": min(values), "most": max(values)}
        for name, values in samples.items()
    }
    _show(figures, ratios)
    options = {name: value for name, value in vars(arguments).items() if name != "json"}
    document = {
        "options": options,
        "machine": _machine(),
        **about,
        "figures": {
            name: {column: _rounded(value) for column, value in figure.items()}
            for name, figure in figures.items()
        },
        "ratios": {name: {"value": _rounded(it.value), "target": it.target} for name, it in ratios.items()},
    }
    text = json.dumps(document, indent=2, default=str)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


def _show(figures: Mapping[str, Mapping[str, float]], ratios: Mapping[str, Ratio]) -> None:
    screen = Console()
    table = Table("", "median", "least", "most", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figure in figures.items():
        table.add_row(name, *(_shown(figure[column]) for column in ("median", "least", "most")))
    screen.print(table)
    table = Table("median of the rounds' ratios", "", "target", box=None)
    for name, ratio in ratios.items():
        table.add_row(name, _shown(ratio.value), ratio.target)
    screen.print(table)


def _machine() -> dict[str, object]:
    return {
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": sys.version.split()[0],
    }


_WHOLE_FROM = 100


def _rounded(value: float) -> float | None:
    """None, JSON's null, for what is no number: a percentile of what did not arrive."""
    if not math.isfinite(value):
        return None
    return round(value) if abs(value) >= _WHOLE_FROM else float(f"{value:.3g}")


def _shown(value: float) -> str:
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "∞"
    return f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.3g}"
