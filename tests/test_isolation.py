"""What PostgreSQL itself guarantees, whatever the application does: the catalogue, then the behaviour."""

# ruff: noqa: S608 - every name in a statement comes from this file or from the catalogue

import contextlib
import json
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.ids import TenantId, new_id
from app.db.admin import administer, sqlstate
from app.db.session import Database
from app.engine.claim import FIRST_LANE
from tests.fixtures.app import open_test_resources
from tests.fixtures.tenant import furnish

pytestmark = pytest.mark.anyio

DIRECTORY = {
    "tenants": "says who the tenants are, and is asked before one is known",
    "system_keys": "the installation's own keys, wrapped",
    "alembic_version": "Alembic's",
}
"""Tables that are no tenant's."""

OUTLIVES_ITS_TENANT = {"audit_logs"}
APPEND_ONLY = {"audit_logs", "events"}

ACROSS_TENANTS = {
    "ix_access_tokens_hash": "a token is looked up to learn whose it is; the hash is keyed",
    "ix_executions_lane": "a worker takes the longest due of each lane, whoever's it is",
    "ix_idempotency_keys_created_at": "what is kept for a day is purged for all at once",
    "ix_replays_due_at": "a worker takes the turn of the replay that is due longest, whoever's it is",
    "ix_sync_schedules_due_at": "a worker takes the schedule that is due longest, whoever's it is",
    "ix_rejected_requests_created_at": "what is kept for 72 hours is purged for all at once",
}
"""Indexes that do not start with the tenant. None of them is unique."""

OWN_ROWS = "(tenant_id = ( SELECT app.tenant_id() AS tenant_id))"

BOTH = {"jackfield_app", "jackfield_worker"}
DEFINER_FUNCTIONS = {
    "find_access_token": {"jackfield_app"},
    "admit_executions": BOTH,
    "claim_executions": {"jackfield_worker"},
    "lane_after": {"jackfield_worker"},
    "claim_replay": {"jackfield_worker"},
    "claim_sync_schedule": {"jackfield_worker"},
    "execution_backlog": BOTH,
    "keep_partitions": BOTH,
    "renew_claims": {"jackfield_worker"},
    "purge_expired": {"jackfield_worker"},
}
"""The ways across tenants, and who may take them."""

DEFINER_COLUMNS = {
    ("access_tokens", "SELECT"): {"tenant_id", "id", "hash"},
    ("executions", "SELECT"): {"tenant_id", "id", "handler_id", "lane", "due_at", "fence", "status"},
    ("executions", "UPDATE"): {"due_at", "fence", "status"},
    ("replays", "SELECT"): {"tenant_id", "id", "due_at", "fence"},
    ("replays", "UPDATE"): {"due_at", "fence"},
    ("sync_schedules", "SELECT"): {"tenant_id", "id", "due_at", "leased_until", "fence"},
    ("sync_schedules", "UPDATE"): {"leased_until", "fence"},
    ("attempts", "SELECT"): {"tenant_id", "execution_id"},
    ("handlers", "SELECT"): {"tenant_id", "id"},
    ("handlers", "UPDATE"): {"id"},
    ("rejected_requests", "SELECT"): {"created_at"},
    ("idempotency_keys", "SELECT"): {"created_at"},
}
"""All that those functions can see of other tenants' rows: no header, body or sealed value."""

DEFINER_TABLES = {
    ("rejected_requests", "DELETE"),
    ("idempotency_keys", "DELETE"),
    ("executions", "INSERT"),
    ("executions", "DELETE"),
    ("attempts", "DELETE"),
    ("dedup_keys", "SELECT"),
    ("dedup_keys", "INSERT"),
    ("dedup_keys", "DELETE"),
}
"""What they may do to whole rows: add what they cannot read back, and drop."""

PARTITIONED = {"executions", "attempts", "dedup_keys"}
"""They go with their handler by a trigger: a foreign key would be checked for each webhook."""

CLAIM = f"""
    app.claim_executions(
        9, '1 s', ({FIRST_LANE})::bigint, app.first_id('epoch'), 9, '{{}}', '{{}}', 9, '{{}}', '{{}}'
    )
"""
TURN = "app.claim_replay('1 s')"

INSUFFICIENT_PRIVILEGE = "42501"
FOREIGN_KEY_VIOLATION = "23503"

TABLES = """
    SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
        AND NOT relispartition
"""
TENANT_TABLES = f"""
    {TABLES} AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id')
"""
FIRST_COLUMN = "(SELECT attname FROM pg_attribute WHERE attrelid = {} AND attnum = {}[{}])"
"""Of a key: its table, its column numbers, and where those start to count."""


@pytest.fixture
async def catalogue(database_urls):
    """Asks the catalogue; the rows, or their only column."""
    async with administer(database_urls.admin) as connection:

        async def ask(query: str, **parameters: object) -> set:
            rows = (await connection.execute(text(query), parameters)).all()
            return {row[0] if len(row) == 1 else tuple(row) for row in rows}

        yield ask


class TestTables:
    async def test_are_a_tenants_or_in_the_directory(self, catalogue):
        assert await catalogue(TABLES) - await catalogue(TENANT_TABLES) == DIRECTORY.keys()

    async def test_know_their_tenant(self, catalogue):
        assert await catalogue(f"""
            SELECT attrelid::regclass::text FROM pg_attribute
            WHERE attname = 'tenant_id' AND attrelid::regclass::text IN ({TENANT_TABLES})
                AND NOT (attnotnull AND atttypid = 'uuid'::regtype)
        """) == set()  # fmt: skip

    async def test_have_row_level_security_that_binds_their_owner_too(self, catalogue):
        assert await catalogue(f"{TENANT_TABLES} AND NOT (relrowsecurity AND relforcerowsecurity)") == set()

    async def test_let_a_tenant_see_its_own_rows_and_nothing_else(self, catalogue):
        """One policy for everybody, for every command; besides, one for the definer functions alone."""
        found = await catalogue("""
            SELECT tablename, policyname, permissive, array_to_string(roles, ' '), cmd, qual, with_check
            FROM pg_policies
        """)
        tables = await catalogue(TENANT_TABLES)
        assert found == {
            *((table, "tenant", "PERMISSIVE", "public", "ALL", OWN_ROWS, OWN_ROWS) for table in tables),
            *(
                (table, "definer", "PERMISSIVE", "jackfield_definer", "ALL", "true", "true")
                for table in {table for table, _ in {*DEFINER_COLUMNS, *DEFINER_TABLES}}
            ),
        }

    async def test_have_unique_keys_that_start_with_the_tenant(self, catalogue):
        """Any other would tell a tenant, by its refusal, what another one has."""
        assert await catalogue(f"""
            SELECT indrelid::regclass::text FROM pg_index WHERE indisunique
                AND indrelid::regclass::text IN ({TABLES})
                AND {FIRST_COLUMN.format("indrelid", "indkey", 0)} IS DISTINCT FROM 'tenant_id'
        """) == DIRECTORY.keys()  # fmt: skip

    async def test_have_indexes_that_start_with_the_tenant(self, catalogue):
        assert await catalogue(f"""
            SELECT indexrelid::regclass::text FROM pg_index
            WHERE indrelid::regclass::text IN ({TENANT_TABLES})
                AND {FIRST_COLUMN.format("indrelid", "indkey", 0)} IS DISTINCT FROM 'tenant_id'
        """) == ACROSS_TENANTS.keys()  # fmt: skip

    async def test_have_foreign_keys_that_start_with_the_tenant_at_both_ends(self, catalogue):
        """PostgreSQL checks a foreign key without row-level security."""
        assert await catalogue(f"""
            SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT (
                {FIRST_COLUMN.format("conrelid", "conkey", 1)} = 'tenant_id'
                AND (
                    {FIRST_COLUMN.format("confrelid", "confkey", 1)} = 'tenant_id'
                    OR (confrelid = 'tenants'::regclass AND cardinality(conkey) = 1)
                )
            )
        """) == set()  # fmt: skip

    async def test_go_with_their_tenant(self, catalogue):
        staying = await catalogue(f"""
            {TENANT_TABLES} AND NOT EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = pg_class.oid AND contype = 'f' AND confdeltype = 'c'
            )
        """)
        assert staying == OUTLIVES_ITS_TENANT | PARTITIONED
        assert (
            await catalogue("SELECT conname FROM pg_constraint WHERE contype = 'f' AND confdeltype <> 'c'")
            == set()
        )

    async def test_are_seen_through_no_view(self, catalogue):
        """A view reads with the rights of its owner, unless it is made with ``security_invoker``."""
        assert await catalogue("""
            SELECT oid::regclass::text FROM pg_class
            WHERE relnamespace IN ('public'::regnamespace, 'app'::regnamespace)
                AND (relkind = 'm' OR (relkind = 'v'
                    AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)))
        """) == set()  # fmt: skip


class TestRoles:
    SERVING = ("jackfield_app", "jackfield_worker")

    async def test_that_serve_own_nothing_and_can_become_nobody_else(self, catalogue):
        assert await catalogue("""
            SELECT oid::regclass::text FROM pg_class WHERE relowner::regrole::text = ANY (:roles)
            UNION ALL SELECT oid::regproc::text FROM pg_proc WHERE proowner::regrole::text = ANY (:roles)
            UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner::regrole::text = ANY (:roles)
            UNION ALL SELECT member::regrole::text FROM pg_auth_members
                WHERE member::regrole::text = ANY (:roles)
        """, roles=[*self.SERVING]) == set()  # fmt: skip

    async def test_of_ours_stand_above_no_rule(self, catalogue):
        assert await catalogue("""
            SELECT rolname FROM pg_roles WHERE rolname LIKE 'jackfield%'
                AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
        """) == set()  # fmt: skip

    async def test_that_serve_may_read_and_write_rows_and_nothing_else(self, catalogue):
        found = await catalogue("""
            SELECT grantee::regrole::text, relname, string_agg(privilege_type, ' ' ORDER BY privilege_type)
            FROM pg_class, aclexplode(relacl)
            WHERE relnamespace = 'public'::regnamespace AND grantee::regrole::text = ANY (:roles)
            GROUP BY 1, 2
        """, roles=[*self.SERVING])  # fmt: skip
        tenants = await catalogue(TENANT_TABLES)
        everything, adding = "DELETE INSERT SELECT UPDATE", "INSERT SELECT"
        assert found == {
            *((role, table, everything) for role in self.SERVING for table in tenants - APPEND_ONLY),
            *((role, table, adding) for role in self.SERVING for table in {*APPEND_ONLY, "system_keys"}),
            *((role, "alembic_version", "SELECT") for role in self.SERVING),
            ("jackfield_app", "tenants", everything),
            ("jackfield_worker", "tenants", "SELECT"),
        }

    async def test_reach_no_partition_but_through_its_table(self, catalogue):
        """Row-level security is the table's: a right on a partition would pass it by."""
        assert await catalogue("""
            SELECT relname FROM pg_class, aclexplode(relacl)
            WHERE relispartition AND grantee <> relowner
        """) == set()  # fmt: skip

    async def test_of_everybody_get_nothing(self, catalogue):
        assert await catalogue("""
            SELECT relname FROM pg_class, aclexplode(relacl)
            WHERE relnamespace IN ('public'::regnamespace, 'app'::regnamespace) AND grantee = 0
        """) == set()  # fmt: skip
        assert await catalogue("""
            SELECT nspname FROM pg_namespace, aclexplode(nspacl)
            WHERE nspname IN ('public', 'app') AND grantee = 0
        """) == set()  # fmt: skip


class TestDefinerFunctions:
    async def test_are_these_and_each_has_its_callers(self, catalogue):
        found = await catalogue("""
            SELECT proname, grantee::regrole::text FROM pg_proc, aclexplode(proacl)
            WHERE prosecdef AND grantee <> proowner AND pronamespace::regnamespace::text !~ '^pg_'
        """)
        assert found == {(name, role) for name, roles in DEFINER_FUNCTIONS.items() for role in roles}

    async def test_belong_to_a_role_that_nobody_is(self, catalogue):
        owners = await catalogue("""
            SELECT proowner::regrole::text FROM pg_proc
            WHERE prosecdef AND pronamespace::regnamespace::text !~ '^pg_' AND proname <> 'keep_partitions'
        """)
        assert owners == {"jackfield_definer"}
        assert await catalogue("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'jackfield_definer'") == {
            False
        }

    async def test_find_their_names_where_we_put_them(self, catalogue):
        """As every other function of ours: a caller's ``search_path`` could name another table."""
        settings = await catalogue("""
            SELECT DISTINCT coalesce(proconfig[1], '') FROM pg_proc WHERE pronamespace = 'app'::regnamespace
        """)
        assert settings == {'search_path=""'}

    async def test_see_ids_and_times_alone(self, catalogue):
        found = await catalogue("""
            SELECT relname, privilege_type, attname FROM pg_class
            JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl)
            WHERE grantee = 'jackfield_definer'::regrole
        """)
        assert found == {
            (table, privilege, column)
            for (table, privilege), columns in DEFINER_COLUMNS.items()
            for column in columns
        }
        whole = await catalogue("""
            SELECT relname, privilege_type FROM pg_class, aclexplode(relacl)
            WHERE grantee = 'jackfield_definer'::regrole
        """)
        assert whole == DEFINER_TABLES


@pytest.fixture
async def resources(committed, settings):
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture
async def tables(committed_urls) -> list[str]:
    async with administer(committed_urls.admin) as connection:
        return sorted(await connection.scalars(text(TENANT_TABLES)))


@pytest.fixture
async def worker(committed_urls):
    database = Database(create_async_engine(committed_urls.worker))
    yield database
    await database.dispose()


async def refusal(database, tenant_id, statement, **parameters) -> str | None:
    """The SQLSTATE that a statement of a tenant's ends with."""
    try:
        async with database.transaction(tenant_id) as session:
            await session.execute(text(statement), parameters)
    except DBAPIError as error:
        return sqlstate(error)
    return None


async def count(database, tenant_id, table) -> int:
    async with database.transaction(tenant_id) as session:
        return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def rows_of(urls, tables, tenant_id) -> dict[str, str]:
    """One row of each table, as JSON."""
    async with administer(urls.admin) as connection:
        return {
            table: await connection.scalar(
                text(f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = :id LIMIT 1"),
                {"id": tenant_id},
            )
            for table in tables
        }


class TestRowLevelSecurity:
    async def test_shows_each_tenant_its_own(self, furnished, committed, worker, tables):
        own = {table: await count(committed, furnished.member.tenant_id, table) for table in tables}
        assert [table for table, rows in own.items() if not rows] == [], "furnish every table"
        for database in (committed, worker):
            for stranger in (None, TenantId(new_id())):
                seen = {table: await count(database, stranger, table) for table in tables}
                assert {*seen.values()} == {0}, seen

    async def test_takes_no_row_for_another_tenant(
        self, furnished, globex, committed, committed_urls, tables
    ):
        rows = await rows_of(committed_urls, tables, furnished.member.tenant_id)
        for table, row in rows.items():
            insert = (
                f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, CAST(:row AS jsonb))"
            )
            code = await refusal(committed, globex.tenant_id, insert, row=row)
            assert code == INSUFFICIENT_PRIVILEGE, table

    async def test_lets_no_row_change_its_tenant(self, furnished, globex, committed, tables):
        for table in tables:
            update = f"UPDATE {table} SET tenant_id = :other"
            code = await refusal(committed, furnished.member.tenant_id, update, other=globex.tenant_id)
            assert code == INSUFFICIENT_PRIVILEGE, table

    async def test_hides_rows_from_changes(self, furnished, globex, committed, tables):
        before = {table: await count(committed, furnished.member.tenant_id, table) for table in tables}
        for table in {*tables} - APPEND_ONLY:
            for change in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}"):
                named = f"{change} WHERE tenant_id = :other"
                assert (
                    await refusal(committed, globex.tenant_id, named, other=furnished.member.tenant_id)
                    is None
                )
        after = {table: await count(committed, furnished.member.tenant_id, table) for table in tables}
        assert after == before

    async def test_cannot_be_switched_off_by_who_it_binds(self, furnished, committed, worker):
        for database in (committed, worker):
            async with database.transaction(furnished.member.tenant_id) as session:
                await session.execute(text("SET LOCAL row_security = off"))
                with pytest.raises(DBAPIError, match="would be affected by row-level security"):
                    await session.execute(text("SELECT count(*) FROM integrations"))

    async def test_lets_no_row_refer_to_another_tenants(self, furnished, globex, committed, committed_urls):
        own = await furnish(globex, "canary0globex")
        async with administer(committed_urls.admin) as connection:
            references = (
                await connection.execute(
                    text("""
                        SELECT conrelid::regclass::text, attname, confrelid::regclass::text AS to
                        FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[2]
                        WHERE contype = 'f' AND cardinality(conkey) = 2
                    """)
                )
            ).all()
            foreign = await rows_of(
                committed_urls, {row.to for row in references}, furnished.member.tenant_id
            )
        assert len(references) > 5
        for table, column, to in references:
            update = f"UPDATE {table} SET {column} = CAST(:id AS uuid)"
            id = json.loads(foreign[to])["id"]
            code = await refusal(committed, own.member.tenant_id, update, id=id)
            assert code == FOREIGN_KEY_VIOLATION, (table, column)


class TestTheTenantOfAConnection:
    @pytest.fixture
    async def narrow(self, committed_urls):
        """A pool of one connection, so that the next transaction gets that of the last."""
        database = Database(create_async_engine(committed_urls.app, pool_size=1, max_overflow=0))
        yield database
        await database.dispose()

    @pytest.mark.parametrize("ending", ["commit", "failure"])
    async def test_is_forgotten_with_the_transaction(self, furnished, narrow, ending):
        try:
            async with narrow.transaction(furnished.member.tenant_id) as session:
                first = await session.scalar(text("SELECT pg_backend_pid()"))
                await session.execute(text("SELECT 1 / :n"), {"n": int(ending == "commit")})
        except DBAPIError:
            assert ending == "failure"
        async with narrow.bind.connect() as connection:
            assert await connection.scalar(text("SELECT pg_backend_pid()")) == first
            assert not await connection.scalar(text("SELECT current_setting('app.tenant_id', true)"))
            assert await connection.scalar(text("SELECT count(*) FROM integrations")) == 0

    @pytest.mark.parametrize("ending", ["commit", "failure"])
    async def test_is_forgotten_with_the_drivers_transaction(self, furnished, narrow, ending):
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            async with narrow.statements_of(furnished.member.tenant_id) as connection:
                assert await connection.fetchval("SELECT count(*) FROM integrations") == 1
                await connection.execute(f"SELECT 1 / {int(ending == 'commit')}")
        async with narrow.statements() as connection:
            assert not connection.is_in_transaction()
            assert not await connection.fetchval("SELECT current_setting('app.tenant_id', true)")
            assert await connection.fetchval("SELECT count(*) FROM integrations") == 0

    async def test_is_set_again_by_each_transaction(self, furnished, globex, narrow):
        async with narrow.transaction(furnished.member.tenant_id) as session:
            assert await session.scalar(text("SELECT count(*) FROM integrations")) == 1
        async with narrow.transaction(globex.tenant_id) as session:
            assert await session.scalar(text("SELECT count(*) FROM integrations")) == 0


class TestTheAuditLog:
    CHANGES = ("UPDATE audit_logs SET action = 'x'", "DELETE FROM audit_logs", "TRUNCATE audit_logs")

    async def test_is_append_only_for_who_serves(self, furnished, committed, worker):
        codes = {
            await refusal(database, furnished.member.tenant_id, change)
            for database in (committed, worker)
            for change in self.CHANGES
        }
        assert codes == {INSUFFICIENT_PRIVILEGE}

    @pytest.mark.parametrize("power", ["SET ROLE jackfield_owner", "SET session_replication_role = replica"])
    async def test_is_append_only_for_who_could_do_anything(self, furnished, committed_urls, power):
        """Who wants to forge it has to change the schema first, and that leaves its own traces."""
        async with administer(committed_urls.admin) as connection:
            for change in self.CHANGES:
                tenant = {"tenant": str(furnished.member.tenant_id)}
                await connection.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), tenant)
                await connection.execute(text(power))
                with pytest.raises(DBAPIError, match="the audit log is append-only"):
                    await connection.execute(text(change))
                await connection.rollback()


class TestTheWaysAcross:
    async def test_are_each_closed_to_the_other_role(self, furnished, committed, worker):
        lookup = "SELECT * FROM app.find_access_token('x')"
        claim = f"SELECT * FROM {CLAIM}"
        assert await refusal(committed, None, lookup) is None
        assert await refusal(worker, None, claim) is None
        assert await refusal(worker, None, lookup) == INSUFFICIENT_PRIVILEGE
        assert await refusal(committed, None, claim) == INSUFFICIENT_PRIVILEGE
        assert await refusal(worker, None, f"SELECT * FROM {TURN}") is None
        assert await refusal(committed, None, f"SELECT * FROM {TURN}") == INSUFFICIENT_PRIVILEGE

    async def test_hand_out_ids_of_what_is_due_and_nothing_else(self, furnished, worker):
        async with worker.transaction(None) as session:
            rows = (await session.execute(text(f"SELECT * FROM {CLAIM}"))).mappings()
            assert [(row["tenant_id"], {*row}) for row in rows] == [
                (furnished.member.tenant_id, {"tenant_id", "id", "fence", "lane"})
            ]
            turn = (await session.execute(text(f"SELECT * FROM {TURN}"))).mappings().one()
            assert {**turn, "fence": 1} == {
                "tenant_id": furnished.member.tenant_id,
                "id": UUID(furnished.ids["replay_id"]),
                "fence": 1,
            }
