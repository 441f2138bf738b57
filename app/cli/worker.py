"""``jackfield worker``."""

from typing import Annotated

from typer import Option, Typer

from app.cli.options import Data
from app.cli.output import out
from app.core import settings as configuration
from app.server import boot

commands = Typer(add_completion=False)


@commands.command()
def worker(
    *,
    data: Data = None,
    metrics_port: Annotated[
        int | None,
        Option(help="Port on which it answers Prometheus; 0 takes a free one.", show_default=False),
    ] = None,
) -> None:
    """Run executions until SIGTERM or Ctrl-C, for a service that is served elsewhere."""
    settings = configuration.load(data=data, metrics_port=metrics_port)
    boot.work(settings, on_working=lambda: out.print("Jackfield's worker looks for executions."))
