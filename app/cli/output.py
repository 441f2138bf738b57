"""Words for people on a terminal, plain lines for whatever reads a pipe."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

# Not wrapped at some width: a token, a path or a command must stay in one piece.
out = Console(highlight=False, soft_wrap=True)


def complain(line: str) -> None:
    """One line on stderr."""
    print(f"jackfield: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201 -- this is the command line


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; off a terminal its rows alone, fields separated by tabs."""
    if not out.is_terminal:
        for row in rows:
            print("\t".join(row))  # noqa: T201 -- Rich would make spaces of the tabs
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    out.print(table)
