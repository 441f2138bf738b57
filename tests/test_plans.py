"""How PostgreSQL answers what is asked all the time, with some thousand rows of forty tenants."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.auth import repository as tokens
from app.core import clock
from app.core.ids import TenantId, first_id, new_id
from app.core.pagination import Order, PageRequest
from app.db.admin import administer
from app.db.session import Database
from app.engine.claim import Claim
from app.executions.repository import (
    ExecutionFilter,
    ExecutionRepository,
    Finish,
    Records,
    claimed,
    finish,
)
from app.ingest.repository import RouteRepository
from app.integrations.repository import IntegrationRepository
from app.models import Replay
from app.replays.repository import ReplayRepository
from app.replays.schemas import ReplayFilter

pytestmark = pytest.mark.anyio

CLAIM = {
    "most": "10",
    "lease": "interval '15 s'",
    "start": "-9223372036854775808",
    "since": "'00000000-0000-0000-0000-000000000000'",
    "per_lane": "5",
    "unnest\\(busy, free\\)": "unnest('{}'::bigint[], '{}'::integer[])",
    "unnest\\(tenants, tenants_free\\)": "unnest('{}'::uuid[], '{}'::integer[])",
    "per_tenant": "10",
}
FIRST_PAGE = PageRequest(50, Order("created_at", descending=True))

FILL = """
    INSERT INTO tenants (id, slug, name, status, version)
        SELECT gen_random_uuid(), 't' || n, 't', 'active', 1 FROM generate_series(1, 40) n;
    INSERT INTO integrations (tenant_id, id, name, folded_name, enabled, settings, links, version)
        SELECT t.id, gen_random_uuid(), 'i' || n, 'i' || n, true, '{}', '{}', 1
        FROM tenants t, generate_series(1, 150) n;
    INSERT INTO handlers (tenant_id, id, integration_id, name, default_args, mode, methods, target, enabled,
            source, orphaned_args, version)
        SELECT tenant_id, gen_random_uuid(), id, 'h' || folded_name, '{}', 'async', '{POST}',
            '{"kind": "store"}', true, 'manual', '{}', 1 FROM integrations;
    INSERT INTO executions (tenant_id, id, integration_id, handler_id, lane, trigger, status, method, query,
            headers, body, max_attempts, attempt_count, due_at, fence, created_at)
        SELECT tenant_id, overlay(id::text PLACING left(app.first_id(now())::text, 13) FROM 1)::uuid,
            integration_id, id, hashtextextended(integration_id::text, 0), 'webhook',
            'succeeded', 'POST', '', '[]', '', 1, 0, NULL, 0, now() FROM handlers;
    UPDATE executions SET status = 'queued', due_at = now() WHERE random() < 0.02;
    INSERT INTO access_tokens (tenant_id, id, name, hash, prefix, scopes, expires_at)
        SELECT tenant_id, gen_random_uuid(), 'x', sha256(id::text::bytea), 'jf', '{*}', now()
        FROM integrations
"""


async def _page_of_integrations(session, tenant) -> None:
    rows = IntegrationRepository(session, tenant)
    await rows.page(rows.matching(None), FIRST_PAGE)


async def _page_of_executions(session, tenant) -> None:
    rows = ExecutionRepository(session, tenant)
    await rows.page(rows.matching(ExecutionFilter()), PageRequest(50, Order("id", descending=True)))


async def _turn_of_a_replay(session, tenant) -> None:
    """Which executions follow the cursor: of everything, and of one handler."""
    rows = ReplayRepository(session, tenant)
    row = Replay(id=new_id(), created_at=clock.now(), cursor=first_id(clock.now() - timedelta(days=1)))
    await rows.following(row, ReplayFilter.model_validate({"from": "2026-01-01T00:00:00Z"}), 500)
    await rows.following(row, ReplayFilter.model_validate({"handlerId": str(new_id())}), 500)


class Sent:
    """Stands for the driver's connection and keeps what it is asked."""

    async def fetch(self, statement, *given):
        self.statement = statement
        arrays = ("{" + ",".join(map(str, one)) + "}" if isinstance(one, list) else one for one in given)
        self.given = ", ".join(f"'{one}'" for one in arrays)
        return []


async def _read_of_a_batch(connection) -> None:
    await claimed(connection, TenantId(new_id()), [a_claim()])


async def _end_of_a_batch(connection) -> None:
    ended = Finish(a_claim(), "succeeded", None, None)
    await finish(connection, TenantId(new_id()), [ended], Records())


def a_claim() -> Claim:
    return Claim(TenantId(new_id()), new_id(), 1, 1)


class TestPlans:
    """Of what runs for every request, and of what looks across tenants."""

    @pytest.fixture(scope="class")
    async def filled(self, server, template, anyio_backend):
        urls = await server.clone(template)
        async with administer(urls.admin) as connection:
            for statement in FILL.split(";"):
                await connection.execute(text(statement))
            await connection.commit()
        async with administer(urls.admin, autocommit=True) as connection:
            await connection.execute(text("VACUUM ANALYZE"))
        yield urls
        await server.drop(urls)

    @pytest.fixture
    async def empty(self, filled):
        """Partitions of other days: an index is of no use there."""
        async with administer(filled.admin) as connection:
            query = text("SELECT relname FROM pg_class WHERE relispartition AND reltuples <= 0")
            return {*await connection.scalars(query)}

    @pytest.fixture
    async def explain(self, filled):
        """The plans of every statement that some work sends, as the role it is sent by."""
        database = Database(create_async_engine(filled.app))
        async with database.transaction(None) as session:
            tenant = TenantId(await session.scalar(text("SELECT id FROM tenants WHERE slug = 't1'")))

        async def plans(work):
            sent = []

            def note(_, __, statement, parameters, *___):
                if "set_config" not in statement:
                    sent.append((statement, parameters))

            async with database.transaction(tenant) as session:
                event.listen(database.bind.sync_engine, "before_cursor_execute", note)
                await work(session, tenant)
                event.remove(database.bind.sync_engine, "before_cursor_execute", note)
                connection = await session.connection()
                return [
                    (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", given)).scalar_one()[0]
                    for sql, given in sent
                ]

        yield plans
        await database.dispose()

    @pytest.mark.parametrize(
        "work",
        [
            _page_of_integrations,
            lambda session, tenant: IntegrationRepository(session, tenant).find(new_id()),
            _page_of_executions,
            _turn_of_a_replay,
            lambda session, tenant: ReplayRepository(session, tenant).unfinished_in(7, 1000),
            lambda session, tenant: RouteRepository(session, tenant).find_enabled("hi7"),
            lambda session, tenant: tokens.read_token(session, tenant, new_id()),
        ],
        ids=["integrations", "one integration", "executions", "replay", "lane", "route", "token"],
    )
    async def test_reach_a_tenants_rows_by_index_and_name_the_tenant_once(self, explain, empty, work):
        for plan in await explain(work):
            found = [*nodes(plan["Plan"])]
            assert "InitPlan" in {node.get("Parent Relationship") for node in found}
            read = [node for node in found if node.get("Relation Name") not in {None, "tenants", *empty}]
            assert {node["Node Type"] for node in read} <= {
                "Index Scan",
                "Index Only Scan",
                "Bitmap Heap Scan",
            }

    @pytest.mark.parametrize("work", [_read_of_a_batch, _end_of_a_batch], ids=["read", "end"])
    async def test_lead_to_the_rows_of_a_batch_whatever_lies_between_them(self, filled, empty, work):
        """As the driver plans them once for all batches: by each id, not from the first id to the last."""
        sent = Sent()
        await work(sent)
        worker = Database(create_async_engine(filled.worker))
        async with worker.statements_of(TenantId(new_id())) as connection:
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE batch AS {sent.statement}")
            given = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE batch ({sent.given})")
        await worker.dispose()
        (plan,) = given if isinstance(given, list) else json.loads(given)
        read = [
            node
            for node in nodes(plan["Plan"])
            if node.get("Relation Name", "").startswith("executions_")
            and node["Relation Name"] not in empty
            and node["Node Type"] != "ModifyTable"
        ]
        assert read
        assert all("ANY" in node["Index Cond"] or "f.id" in node["Index Cond"] for node in read), read

    @pytest.mark.parametrize(
        ("function", "given", "index"),
        [
            ("claim_executions", CLAIM, "_lane_due_at_idx"),
            ("find_access_token", {"wanted": "'x'::bytea"}, "ix_access_tokens_hash"),
        ],
    )
    async def test_take_the_indexes_made_for_all_tenants(self, filled, function, given, index):
        async with administer(filled.admin) as connection:
            query = text("SELECT prosrc FROM pg_proc WHERE proname = :name")
            body = await connection.scalar(query, {"name": function})
            for name, value in given.items():
                body = re.sub(rf"(?<![.\w]){name}(?!\w)", value, body)
            if "RETURN QUERY" in body:
                body = body.partition("RETURN QUERY")[2].rpartition(";\n        END")[0]
            await connection.execute(text("SET ROLE jackfield_definer"))
            plan = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {body}")).scalar_one()[0]
        indexes = {node.get("Index Name", "") for node in nodes(plan["Plan"])}
        assert any(name.endswith(index) for name in indexes), indexes


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
