"""Revision 0003 moves executions into partitions, and back: what is stored comes along both ways."""

import pytest
from sqlalchemy import text

from app.core.ids import first_id, new_id
from app.db import migrate
from app.db.admin import administer

pytestmark = pytest.mark.anyio

TENANT, INTEGRATION, HANDLER = new_id(), new_id(), new_id()
DAYS = (0, 1, 12, 45)
"""Ages of the executions; the last has outlived its time and is still there."""

OWNERS = (
    """
    INSERT INTO tenants (id, slug, name, status, version) VALUES (:tenant, 'acme', 'Acme', 'active', 1)
    """,
    """
    INSERT INTO integrations (tenant_id, id, name, folded_name, enabled, settings, links, version)
    VALUES (:tenant, :integration, 'n', 'n', true, '{}', '{}', 1)
    """,
    """
    INSERT INTO handlers
        (tenant_id, id, integration_id, name, enabled, default_args, mode, methods, source, orphaned_args,
         version, target)
    VALUES (:tenant, :handler, :integration, 'h', true, '{}', 'async', '{POST}', 'manual', '{}',
        1, '{"kind": "store"}')
    """,
)


@pytest.fixture
async def before(server):
    """A database at 0002, in use."""
    urls = await server.create(f"jackfield_test_{new_id().hex}")
    await migrate.upgrade(urls.admin, "0002")
    async with administer(urls.admin) as connection, connection.begin():
        await fill(connection)
    yield urls
    await server.drop(urls)


async def fill(connection):
    named = {"tenant": TENANT, "integration": INTEGRATION, "handler": HANDLER}
    for statement in OWNERS:
        await connection.execute(text(statement), named)
    for days in DAYS:
        moment = await connection.scalar(text("SELECT now() - make_interval(days => :days)"), {"days": days})
        one = {**named, "id": first_id(moment), "moment": moment, "attempt": new_id(), "key": f"key {days}"}
        await connection.execute(
            text("""
                INSERT INTO executions
                    (tenant_id, id, integration_id, handler_id, trigger, status, status_reason, method, query,
                     headers, body, max_attempts, attempt_count, due_at, fence, created_at)
                VALUES (:tenant, :id, :integration, :handler, 'webhook', 'queued', 'why', 'POST', 'a=1',
                    '[["X-A", "1"]]', '\\x00ff', 4, 1, :moment, 3, :moment)
            """),
            one,
        )
        await connection.execute(
            text("""
                INSERT INTO attempts
                    (id, tenant_id, execution_id, number, started_at, duration_ms, status_code,
                     response_headers, response_body, response_truncated)
                VALUES (:attempt, :tenant, :id, 1, :moment, 12, 500, '[["X-B", "2"]]', 'no', false)
            """),
            one,
        )
        await connection.execute(
            text("""
                INSERT INTO dedup_keys (tenant_id, handler_id, key, execution_id, created_at)
                VALUES (:tenant, :handler, :key, :id, :moment)
            """),
            one,
        )


async def contents(urls, **ignored):
    """Every row of the three tables but for the columns that only one of the revisions has."""
    found = {}
    async with administer(urls.admin) as connection:
        for table, columns in ignored.items():
            query = text(f"SELECT to_jsonb(t) - CAST(:columns AS text[]) FROM {table} t")  # noqa: S608
            rows = await connection.scalars(query, {"columns": columns})
            found[table] = sorted(rows, key=str)
    return found


async def stored(urls):
    return await contents(
        urls, executions=["lane", "trace_parent"], attempts=["id"], dedup_keys=["week", "created_at"]
    )


class TestEngineRevision:
    async def test_carries_everything_over_and_back_and_over_again(self, before):
        rows = await stored(before)
        assert [len(found) for found in rows.values()] == [len(DAYS)] * 3
        await migrate.upgrade(before.admin, "0003")
        assert await stored(before) == rows
        await migrate.downgrade(before.admin, "0002")
        assert await stored(before) == rows
        await migrate.upgrade(before.admin)
        assert await stored(before) == rows

    async def test_makes_work_of_before_claimable(self, before):
        await migrate.upgrade(before.admin)
        async with administer(before.worker) as connection:
            claimed = await connection.execute(
                text("""
                    SELECT id, fence FROM app.claim_executions(
                        10, interval '15 seconds', (-9223372036854775808)::bigint,
                        '00000000-0000-0000-0000-000000000000', 10, '{}', '{}', 10, '{}', '{}'
                    )
                """)
            )
            assert [fence for _, fence in claimed] == [4] * len(DAYS)

    async def test_makes_work_claimable_as_before(self, before):
        await migrate.upgrade(before.admin)
        await migrate.downgrade(before.admin, "0002")
        async with administer(before.worker) as connection:
            claimed = await connection.execute(
                text("SELECT fence FROM app.claim_executions(10, interval '15 seconds')")
            )
            assert [*claimed.scalars()] == [4] * len(DAYS)

    async def test_lets_deletion_cascade_again_after_it_was_undone(self, before):
        await migrate.upgrade(before.admin)
        await migrate.downgrade(before.admin, "0002")
        async with administer(before.admin) as connection, connection.begin():
            await connection.exec_driver_sql("DELETE FROM handlers")
        assert await stored(before) == {"executions": [], "attempts": [], "dedup_keys": []}
