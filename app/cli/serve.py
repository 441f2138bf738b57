"""``jackfield serve``. What is imported here keeps the database waiting; the rest comes beside its start."""

from typing import Annotated

from typer import BadParameter, Option, Typer

from app.cli.banner import show_banner
from app.cli.options import Data
from app.core import settings as configuration
from app.demo.run import serve_demo
from app.server import boot

commands = Typer(add_completion=False)


@commands.command()
def serve(  # noqa: PLR0913 -- every one is an option of the command
    *,
    host: Annotated[str | None, Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[
        int | None, Option(help="Port to listen on; 0 takes a free one.", show_default=False)
    ] = None,
    data: Data = None,
    workers: Annotated[int | None, Option(help="Processes that share the port.", show_default=False)] = None,
    with_worker: Annotated[
        bool, Option("--worker/--no-worker", help="Run executions here, or leave them to `jackfield worker`.")
    ] = True,
    migrate: Annotated[
        bool, Option("--migrate", help="Bring an external database to this release's revision first.")
    ] = False,
    demo: Annotated[
        bool, Option("--demo", help="Show a tour on a tenant of its own, with a sample upstream, first.")
    ] = False,
) -> None:
    """Serve the API until SIGTERM or Ctrl-C; by default with the worker and a database of its own."""
    settings = configuration.load(host=host, port=port, data=data, workers=workers)
    if demo:
        if not with_worker:
            raise BadParameter("the demo needs a worker", param_hint="--no-worker")
        serve_demo(settings, migrate=migrate)
        return

    def announce(base_url: str) -> None:
        show_banner(settings, base_url)

    boot.serve(settings, migrate=migrate, with_worker=with_worker, on_listening=announce)
