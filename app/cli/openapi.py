"""``jackfield openapi``."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer

from app.cli.output import complain, out
from app.main import create_routes, describe

commands = Typer(help="The description of the API.", no_args_is_help=True, add_completion=False)

DEFAULT_FILE = Path("openapi/openapi.json")


@commands.callback()
def group() -> None:
    """Keeps ``export`` a subcommand: Typer would let the only command stand for its group."""


@commands.command()
def export(
    file: Annotated[Path, Argument(help="Where to write it.")] = DEFAULT_FILE,
    *,
    check: Annotated[bool, Option("--check", help="Write nothing; fail if the file differs.")] = False,
) -> None:
    """Write the OpenAPI document, the same bytes for the same API."""
    document = json.dumps(describe(create_routes()), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document, encoding="utf-8")
        out.print(f"{file} is written.", markup=False)
    elif not file.is_file() or file.read_text(encoding="utf-8") != document:
        complain(f"{file} does not describe this API: run `jackfield openapi export`.")
        raise Exit(1)
