"""Many rows in one statement and one value: what an array per column would cost, JSON does not.

PostgreSQL reads the rows from a JSON document; here nothing is prepared, bound or encoded per row and column.
"""

from collections.abc import Sequence

import orjson
from sqlalchemy.dialects import postgresql

from app.db.base import Base, Json

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def insertion_of(model: type[Base], names: Sequence[str], rows: str) -> str:
    """Inserts rows with these columns; a condition on ``given`` may be appended. Columns left out get the
    database's defaults, no mapper's. ``rows``: the parameter that holds the document.
    """
    table = model.__table__
    columns = ", ".join(names)
    typed = ", ".join(f"{name} {table.columns[name].type.compile(_DIALECT)}" for name in names)
    return (
        f"INSERT INTO {model.__tablename__} ({columns})"  # noqa: S608 - names of our own tables
        f" SELECT {columns} FROM json_to_recordset({rows}) AS given ({typed})"
    )


def dump(rows: Sequence[Json]) -> str:
    """The rows as ``json_to_recordset`` reads them: bytes as ``bytea`` is written, ids as text.

    For what we make ourselves: a whole number of more than 64 bits, which a document may hold, is refused.
    """
    return orjson.dumps(rows, default=_plain).decode()


def _plain(value: object) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
