"""The command ``jackfield``. Its subcommands ask the services; nothing is decided or stored here."""

import importlib
import sys
from importlib.metadata import version as installed_version
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from app.cli.output import complain, out
from app.core.boot import BootFailure
from app.core.errors import AppError

USAGE = 2
"""Exit code for arguments that are not valid, as Click has it."""

COMMANDS = {
    "serve": "Serve the API until SIGTERM or Ctrl-C; by default with the worker and a database of its own.",
    "worker": "Run executions until SIGTERM or Ctrl-C, for a service that is served elsewhere.",
    "migrate": "Make roles, logins and tables, or bring them to this release's revision.",
    "doctor": (
        "Check database, role, revision and keys; change nothing. Exit 1 if one of them is not fit to serve."
    ),
    "tenants": "Make, list, suspend and activate tenants.",
    "tokens": "Make, list and revoke access tokens of a tenant.",
    "openapi": "The description of this API, and plans for others.",
    "webhooks": "Verification schemes of webhooks.",
    "connectors": "The catalogue of connectors.",
}
"""The modules of this package that are commands, each with its ``commands``, and what they are for."""


class Deferred(TyperCommand):
    """A subcommand whose module is imported when it is asked for: together they import the whole program."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        commands = importlib.import_module(f"{__package__}.{self.name}").commands
        command = typer.main.get_command(commands)
        return command.make_context(info_name, args, parent, **extra)


# No pretty tracebacks: they show local variables, and those hold secrets.
app = typer.Typer(
    name="jackfield",
    help="A self-hosted, multi-tenant integration backend.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for name, text in COMMANDS.items():
    app.command(name, help=text, cls=Deferred)(lambda: None)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(f"jackfield {installed_version('jackfield')}", markup=False)


def main() -> None:
    """What fails for a known reason ends with one line on stderr; only a defect shows a traceback."""
    try:
        app()
    except BootFailure as failure:
        complain(str(failure))
        sys.exit(failure.exit_code)
    except AppError as error:
        complain(" ".join([error.detail, *(f"{fault.pointer}: {fault.message}" for fault in error.errors)]))
        sys.exit(1)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        complain("; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults))
        sys.exit(USAGE)
