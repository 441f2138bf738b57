"""What an operator reads once the service listens: where, with which files, and how to go on."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from rich.markup import escape

from app.cli.output import out
from app.core import settings as configuration
from app.core.settings import Settings
from app.sealing import master_keys


def show_banner(settings: Settings, base_url: str) -> None:
    """The commands work as they stand, pasted into a shell in the same folder."""
    command = _command()
    is_told = settings.data == configuration.load().data
    options = "" if is_told else f" --data {shlex.quote(str(settings.data))}"
    out.print(f"[bold]Jackfield listens on {escape(base_url)}[/bold]")
    for name, value in {
        "documentation": f"{base_url}/docs",
        "data folder": str(settings.data.absolute()) if settings.is_embedded else "an external database",
        "master key": _key_place(settings),
    }.items():
        out.print(f"  {name:14} {escape(value)}")
    out.print("\nMake a tenant and a token, and use it:")
    for line in (
        f"{command} tenants create acme{options}",
        f"TOKEN=$({command} tokens create --tenant acme --name ci --scope '*' --quiet{options})",
        f'curl -H "Authorization: Bearer $TOKEN" {base_url}/integrations',
    ):
        out.print(f"  [cyan]{escape(line)}[/cyan]")


def _command() -> str:
    """How a shell in this folder finds this very program."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    return program.name if found and program.samefile(found) else shlex.quote(os.path.normpath(program))


def _key_place(settings: Settings) -> str:
    if settings.master_key is not None:
        return "from JACKFIELD_MASTER_KEY"
    return f"{master_keys.default_file(settings).absolute()} (keep a copy: without it nothing can be opened)"
