"""Where notifications are heard: at the same server as everything else is asked."""

import pytest

from app.db.admin import as_asyncpg
from app.db.listener import _dsn


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://u:p@db.example/d", "db.example", None),
        ("postgresql://u:p@db.example:6543/d", "db.example", 6543),
        ("postgresql://u@/d?host=/run/postgresql", "/run/postgresql", None),
        ("postgresql://u@localhost/d?host=/run/postgresql", "/run/postgresql", None),
        ("postgresql://u@localhost:1/d?host=/run/postgresql&port=5432", "/run/postgresql", 5432),
    ],
)
def test_the_query_comes_before_the_authority(url, host, port):
    found = _dsn(as_asyncpg(url))
    assert (found["host"], found["port"], found["database"]) == (host, port, "d")
