"""``jackfield migrate``."""

import asyncio

from typer import Typer

from app.cli.options import Data
from app.cli.output import out
from app.core import settings as configuration
from app.db import migrate as migrations
from app.server.database import bring_to_head, running_database
from app.server.process import prepare_process

commands = Typer(add_completion=False)


@commands.command()
def migrate(data: Data = None) -> None:
    """Make roles, logins and tables, or bring them to this release's revision."""
    settings = configuration.load(data=data)
    prepare_process(settings)
    with running_database(settings) as urls:
        asyncio.run(bring_to_head(settings, urls))
    out.print(f"The database is at revision {migrations.head_revision()}.", markup=False)
