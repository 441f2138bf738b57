"""How Alembic reaches the database: on the connection it is given, or, for a developer's command line, as
``-x url=…``, ``JACKFIELD_ADMIN_DATABASE_URL`` or ``JACKFIELD_DATABASE_URL`` says.

Functions, policies and grants are SQL in the revisions; autogenerate compares tables only.
"""

import asyncio
import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, text

import app.models  # noqa: F401 -- fills the metadata
from app.db.base import Base
from app.db.migrate import migrating
from app.db.roles import OWNER

config = context.config


def run_on(connection: Connection) -> None:
    partitions = set(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition")))
    connection.rollback()

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        """Partitions come and go with time, and PgQueuer looks after its own tables."""
        return kind != "table" or (name not in partitions and not str(name).startswith("pgqueuer"))

    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_command_line() -> None:
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    url = (
        context.get_x_argument(as_dictionary=True).get("url")
        or os.environ.get("JACKFIELD_ADMIN_DATABASE_URL")
        or os.environ.get("JACKFIELD_DATABASE_URL")
    )
    if not url:
        raise SystemExit("Name the database: -x url=… or JACKFIELD_ADMIN_DATABASE_URL.")
    async with migrating(url) as connection:
        await connection.run_sync(run_on)


def run_offline() -> None:
    """Print the SQL (``--sql``): what is linted, and what a careful administrator wants to read first."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=Base.metadata,
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.execute(f"SET ROLE {OWNER}")
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
elif (given := config.attributes.get("connection")) is not None:
    run_on(given)
else:
    asyncio.run(run_from_command_line())
