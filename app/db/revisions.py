"""Alembic, run on a connection that is there: what ``app.db.migrate`` imports when it is needed."""

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

Direction = Literal["upgrade", "downgrade"]


def run(connection: Connection, folder: Path, direction: Direction, revision: str) -> None:
    config = configuration(folder)
    config.attributes["connection"] = connection
    {"upgrade": command.upgrade, "downgrade": command.downgrade}[direction](config, revision)


def configuration(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
