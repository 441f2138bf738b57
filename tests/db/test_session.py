"""The driver's own connections: each statement a transaction, or one transaction of a tenant's."""

import asyncio
import contextlib

import asyncpg
import pytest
from sqlalchemy import text

from app.core.ids import TenantId, new_id
from app.db import session
from app.db.admin import administer
from app.db.session import create_database

pytestmark = pytest.mark.anyio

ACME = TenantId(new_id())
ADD = """
    INSERT INTO idempotency_keys
        (tenant_id, id, key, method, path, fingerprint, status, headers, sealed_body)
    SELECT app.tenant_id(), id, id::text, 'POST', '/', '', 201, '{}', decode(repeat('01', 99), 'hex')
    FROM gen_random_uuid() AS id
"""
COUNT = "SELECT count(*) FROM idempotency_keys"


@pytest.fixture(autouse=True)
async def acme(committed_urls):
    async with administer(committed_urls.admin) as admin, admin.begin():
        await admin.execute(
            text("INSERT INTO tenants (id, slug, name, status, version) VALUES (:id, 'a', 'A', 'active', 1)"),
            {"id": ACME},
        )


class TestStatements:
    async def test_get_another_connection_when_theirs_was_closed_meanwhile(self, committed, committed_urls):
        async with committed.statements() as connection:
            ended = await connection.fetchval("SELECT pg_backend_pid()")
        async with administer(committed_urls.admin) as admin:
            await admin.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})
        async with asyncio.timeout(10):
            while not connection.is_closed():
                await asyncio.sleep(0)
        async with committed.statements() as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") != ended

    async def test_end_when_the_database_hangs(self, committed_urls, monkeypatch):
        """And whoever comes next is served."""
        monkeypatch.setattr(session, "STATEMENT_S", 0.05)
        database = create_database(
            committed_urls.app, pool_size=1, overflow=0, timeout=10, application="tests"
        )
        with pytest.raises(TimeoutError):
            async with database.statements() as connection:
                await connection.fetchval("SELECT pg_sleep(60)")
        async with database.statements() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await database.dispose()


class TestStatementsOf:
    async def test_are_committed_together(self, committed):
        async with committed.statements_of(ACME) as connection:
            await connection.execute(ADD)
            await connection.execute(ADD)
        async with committed.statements_of(ACME) as connection:
            assert await connection.fetchval(COUNT) == 2

    async def test_are_undone_together(self, committed):
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            async with committed.statements_of(ACME) as connection:
                await connection.execute(ADD)
                await connection.execute("SELECT 1 / 0")
        async with committed.statements_of(ACME) as connection:
            assert await connection.fetchval(COUNT) == 0

    async def test_see_nothing_of_another_tenant(self, committed):
        async with committed.statements_of(ACME) as connection:
            await connection.execute(ADD)
        async with committed.statements_of(TenantId(new_id())) as connection:
            assert await connection.fetchval(COUNT) == 0

    async def test_are_part_of_the_transaction_that_there_is(self, database):
        async with database.statements_of(ACME) as connection:
            assert await connection.fetchval("SELECT app.tenant_id()") == ACME
        assert connection.is_in_transaction()
