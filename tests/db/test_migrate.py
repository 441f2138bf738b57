import asyncio
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.core.boot import EX_CONFIG
from app.core.ids import new_id
from app.db import migrate, roles
from app.db.admin import administer
from app.db.errors import AdministratorUnfit, DatabaseNotMigrated, MigrationBlocked
from app.db.revisions import configuration

pytestmark = pytest.mark.anyio

REVISION = """
from alembic import op

revision, down_revision = {revision!r}, {down_revision!r}

def upgrade():
    for statement in {statements!r}:
        op.execute(statement)

def downgrade():
    op.execute("DROP TABLE IF EXISTS one, two")
"""


@pytest.fixture
async def empty(server):
    """A database that was prepared and never migrated."""
    urls = await server.create(f"jackfield_test_{new_id().hex}")
    yield urls
    await server.drop(urls)


@pytest.fixture
def revisions(tmp_path, monkeypatch) -> Callable[..., None]:
    """Put these statements in the place of our revisions: one each, named 1, 2, …"""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("versions", "__pycache__"))
    (folder / "versions").mkdir()
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)
    migrate.head_revision.cache_clear()

    def write(*statements: str) -> None:
        for number, sql in enumerate(statements, start=1):
            before = str(number - 1) if number > 1 else None
            source = REVISION.format(revision=str(number), down_revision=before, statements=sql.split("; "))
            (folder / f"versions/{number}.py").write_text(source)

    yield write
    migrate.head_revision.cache_clear()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(migrate, "_LOCK_PATIENCE", 0.05)
    monkeypatch.setattr(migrate, "_LOCK_POLL", 0.01)
    monkeypatch.setattr(migrate, "_BACKOFF", (0.01, 0.01))


async def read(url, statement: str) -> list:
    async with administer(url) as connection:
        return list(await connection.scalars(text(statement)))


async def revision_of(url) -> str | None:
    async with administer(url) as connection:
        return await migrate.current_revision(connection)


TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
FUNCTIONS = "SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text IN ('public', 'app')"


class TestOurRevisions:
    async def test_lead_up_and_back_and_up_again(self, empty):
        await migrate.upgrade(empty.admin)
        tables = await read(empty.admin, TABLES)
        await migrate.downgrade(empty.admin, "base")
        assert await read(empty.admin, TABLES) == ["alembic_version"]
        assert await read(empty.admin, FUNCTIONS) == []
        await migrate.upgrade(empty.admin)
        assert sorted(await read(empty.admin, TABLES)) == sorted(tables)

    async def test_make_what_the_models_describe(self, database_urls):
        def compare(connection):
            config = configuration(migrate.MIGRATIONS)
            config.attributes["connection"] = connection
            command.check(config)

        async with migrate.migrating(database_urls.admin) as connection:
            await connection.run_sync(compare)

    async def test_belong_to_the_owner(self, database_urls):
        owners = await read(
            database_urls.admin,
            "SELECT DISTINCT relowner::regrole::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v')",
        )
        assert owners == [roles.OWNER]

    def test_wait_for_no_lock_longer_than_traffic_can_stand(self):
        for revision in (migrate.MIGRATIONS / "versions").glob("*.py"):
            upgrade, downgrade = revision.read_text().split("def downgrade()")
            assert "lock_timeout" in upgrade, revision.name
            assert "lock_timeout" in downgrade, revision.name

    def test_can_be_read_as_sql_first(self):
        config = configuration(migrate.MIGRATIONS)
        config.output_buffer = io.StringIO()
        command.upgrade(config, "head", sql=True)
        sql = config.output_buffer.getvalue()
        assert sql.startswith("SET ROLE jackfield_owner;")
        assert "CREATE TABLE tenants" in sql


class TestUpgrade:
    async def test_stops_at_the_revision_it_is_told(self, empty, revisions):
        revisions("CREATE TABLE one ()", "CREATE TABLE two ()")
        await migrate.upgrade(empty.admin, "1")
        assert await revision_of(empty.admin) == "1"

    async def test_keeps_the_steps_before_the_one_that_failed(self, empty, revisions):
        revisions("CREATE TABLE one ()", "CREATE TABLE two (); SELECT 1 / 0")
        with pytest.raises(Exception, match="division by zero"):
            await migrate.upgrade(empty.admin)
        assert await revision_of(empty.admin) == "1"

    async def test_is_done_once_by_two_who_start_at_once(self, empty, revisions):
        revisions("CREATE TABLE one ()", "CREATE TABLE two ()")
        await asyncio.gather(*(migrate.upgrade(empty.admin) for _ in range(3)))
        assert await revision_of(empty.admin) == "2"

    @pytest.mark.usefixtures("impatient")
    async def test_gives_up_when_somebody_else_migrates_for_too_long(self, empty):
        async with migrate.migrating(empty.admin):
            with pytest.raises(MigrationBlocked, match="Another process has been migrating"):
                await migrate.upgrade(empty.admin)

    @pytest.mark.usefixtures("impatient")
    async def test_comes_back_for_a_table_that_was_locked(self, empty, revisions):
        revisions("CREATE TABLE one (id int)", "SET LOCAL lock_timeout = '20ms'; ALTER TABLE one ADD two int")
        await migrate.upgrade(empty.admin, "1")
        async with administer(empty.admin) as traffic:
            await traffic.exec_driver_sql("LOCK TABLE one IN ACCESS SHARE MODE")
            upgrading = asyncio.create_task(migrate.upgrade(empty.admin))
            while not await waits_for_a_lock(empty.admin):
                pass
            await traffic.rollback()
            await upgrading
        assert await revision_of(empty.admin) == "2"

    @pytest.mark.usefixtures("impatient")
    async def test_gives_up_on_a_table_that_stays_locked(self, empty, revisions):
        revisions("CREATE TABLE one (id int)", "SET LOCAL lock_timeout = '20ms'; ALTER TABLE one ADD two int")
        await migrate.upgrade(empty.admin, "1")
        async with administer(empty.admin) as traffic:
            await traffic.exec_driver_sql("LOCK TABLE one IN ACCESS SHARE MODE")
            with pytest.raises(MigrationBlocked, match="stayed locked by other transactions"):
                await migrate.upgrade(empty.admin)
        assert await revision_of(empty.admin) == "1"

    async def test_works_within_its_timeouts(self, empty):
        async with migrate.migrating(empty.admin) as connection:
            found = await connection.execute(
                text(
                    "SELECT current_user, current_setting('lock_timeout'),"
                    " current_setting('statement_timeout')"
                )
            )
            assert found.one() == (roles.OWNER, "2s", "1min")

    async def test_refuses_a_login_that_is_not_an_administrator(self, empty):
        with pytest.raises(AdministratorUnfit, match="jackfield_app may not SET ROLE jackfield_owner"):
            await migrate.upgrade(empty.app)


class TestCheckAtHead:
    async def test_lets_the_application_serve_at_head(self, database_urls):
        async with administer(database_urls.app) as connection:
            await migrate.check_at_head(connection)

    async def test_refuses_a_database_that_was_never_migrated(self, empty):
        async with administer(empty.app) as connection:
            with pytest.raises(DatabaseNotMigrated, match="revision none, this release needs") as refusal:
                await migrate.check_at_head(connection)
        assert refusal.value.exit_code == EX_CONFIG

    async def test_refuses_a_database_that_is_behind(self, empty, revisions):
        revisions("CREATE TABLE one ()", "CREATE TABLE two ()")
        await migrate.upgrade(empty.admin, "1")
        async with administer(empty.admin) as connection:
            with pytest.raises(DatabaseNotMigrated, match="is at revision 1, this release needs 2: run"):
                await migrate.check_at_head(connection)

    async def test_refuses_a_database_that_is_ahead(self, empty, revisions):
        revisions("CREATE TABLE one ()", "CREATE TABLE two ()")
        await migrate.upgrade(empty.admin)
        (migrate.MIGRATIONS / "versions/2.py").unlink()
        migrate.head_revision.cache_clear()
        async with administer(empty.admin) as connection:
            with pytest.raises(DatabaseNotMigrated, match="revision 2, which a newer release made"):
                await migrate.check_at_head(connection)

    def test_says_when_the_installation_carries_no_revision(self, revisions):
        revisions()
        with pytest.raises(DatabaseNotMigrated, match="carries no migrations"):
            migrate.head_revision()


class TestHeadRevision:
    def test_is_alembics(self):
        assert [migrate.head_revision()] == ScriptDirectory.from_config(
            configuration(migrate.MIGRATIONS)
        ).get_heads()


class TestNewRevision:
    def test_sets_its_timeouts_both_ways(self, revisions):
        revisions()
        script = command.revision(configuration(migrate.MIGRATIONS), message="add a column", rev_id="1")
        source = Path(script.path).read_text()
        assert source.count("SET LOCAL lock_timeout = '2s'") == 2
        assert source.count("SET LOCAL statement_timeout = '60s'") == 2
        compile(source, script.path, "exec")


async def waits_for_a_lock(url) -> bool:
    return bool(await read(url, "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'"))
