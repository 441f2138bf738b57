"""What counts as a database that is away, so that the same may be tried again."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.admin import administer
from app.db.outages import is_database_away, sqlstate

pytestmark = pytest.mark.anyio


async def raised_by(url, sql):
    async with administer(url) as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.exec_driver_sql(sql)
    return caught.value


class TestAway:
    async def test_is_a_server_that_does_not_listen(self):
        engine = create_async_engine("postgresql+asyncpg://127.0.0.1:9/nowhere")
        with pytest.raises(OSError, match="Connect") as caught:
            await engine.connect()
        assert is_database_away(caught.value)

    async def test_is_a_socket_that_is_missing(self, tmp_path):
        with pytest.raises(OSError, match="No such file") as caught:
            await asyncpg.connect(host=str(tmp_path), user="nobody", database="nothing")
        assert is_database_away(caught.value)

    async def test_is_a_session_that_was_ended(self, database_urls):
        error = await raised_by(database_urls.admin, "SELECT pg_terminate_backend(pg_backend_pid())")
        assert is_database_away(error)

    async def test_is_a_statement_that_took_too_long(self, database_urls):
        async with administer(database_urls.admin) as connection:
            await connection.execute(text("SET statement_timeout = '1ms'"))
            with pytest.raises(DBAPIError) as caught:
                await connection.execute(text("SELECT pg_sleep(5)"))
        assert sqlstate(caught.value) == "57014"
        assert is_database_away(caught.value)

    @pytest.mark.parametrize("error", [PoolTimeout(), asyncpg.InterfaceError("closed")], ids=repr)
    def test_is_no_connection_to_be_had(self, error):
        assert is_database_away(error)

    @pytest.mark.parametrize("state", ["40P01", "40001", "53300", "55P03", "57P03", "08006", "25006"])
    def test_is_a_state_that_passes(self, state):
        error = asyncpg.PostgresError()
        error.sqlstate = state
        assert is_database_away(error)


class TestNotAway:
    @pytest.mark.parametrize("sql", ["SELECT 1 / 0", "SELECT nonsense", "SELECT 'x'::uuid"])
    async def test_is_a_statement_that_is_wrong(self, database_urls, sql):
        assert not is_database_away(await raised_by(database_urls.admin, sql))

    @pytest.mark.parametrize("error", [OSError("of an upstream"), TimeoutError(), KeyError()], ids=repr)
    def test_is_an_error_from_elsewhere(self, error):
        assert not is_database_away(error)
