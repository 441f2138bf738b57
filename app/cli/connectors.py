"""``jackfield connectors``: the catalogue, and what is wrong with records. No database, no network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import ValidationError
from typer import Argument, BadParameter, Exit, Option, Typer

from app.cli.output import complain, out, show_table
from app.connectors.catalogue import connectors
from app.connectors.definition import AuthKind, Connector
from app.connectors.service import ConnectorFilter

commands = Typer(help="The catalogue of connectors.", no_args_is_help=True, add_completion=False)


@commands.command("list")
def list_connectors(
    *,
    search: Annotated[str | None, Option(help="Part of name or slug.")] = None,
    category: Annotated[str | None, Option(help="One of the categories.")] = None,
    auth: Annotated[AuthKind | None, Option(help="A way in.")] = None,
    as_json: Annotated[bool, Option("--json", help="The records, as JSON.")] = False,
) -> None:
    """List connectors by slug."""
    wanted = ConnectorFilter(search, category, auth)
    found = [one for one in connectors().values() if wanted.covers(one)]
    if as_json:
        out.print(json.dumps([_record(one) for one in found], indent=2, ensure_ascii=False), markup=False)
        return
    show_table(
        ("slug", "name", "ways in", "categories"),
        ((one.slug, one.name, " ".join(one.auth.kinds), " ".join(one.categories)) for one in found),
    )
    out.print(f"{len(found)} connectors", markup=False)


@commands.command()
def show(slug: Annotated[str, Argument(help="As `list` shows it.")]) -> None:
    """Print a record: what differs from the specifications, and nothing else."""
    found = connectors().get(slug)
    if found is None:
        raise BadParameter(f"there is no connector {slug}", param_hint="SLUG")
    out.print(json.dumps(_record(found), indent=2, ensure_ascii=False), markup=False)


@commands.command()
def lint(
    files: Annotated[list[Path], Argument(help="Records, or folders of them.")],
) -> None:
    """Say what is wrong with records; exit 1 if anything is."""
    faults = [fault for file in _records(files) for fault in _faults(file)]
    for fault in faults:
        complain(fault)
    if faults:
        raise Exit(1)


@commands.command()
def schema() -> None:
    """Print the JSON Schema of a record, for editors."""
    out.print(json.dumps(Connector.model_json_schema(), indent=2), markup=False)


def _record(one: Connector) -> object:
    return one.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _records(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.json")) if path.is_dir() else [path]


def _faults(file: Path) -> Iterator[str]:
    try:
        one = Connector.model_validate_json(file.read_bytes())
    except OSError as error:
        yield f"{file}: {error.strerror}"
    except ValidationError as error:
        for fault in error.errors():
            yield f"{file}: /{'/'.join(map(str, fault['loc']))}: {fault['msg']}"
    else:
        if one.slug != file.stem:
            yield f"{file}: /slug: is not the name of the file"
