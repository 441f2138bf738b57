"""On a server of its own: roles are the whole server's, and these tests start where there are none."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from app.core.boot import EX_CONFIG
from app.db import migrate, roles
from app.db.admin import administer, as_asyncpg
from app.db.embedded import EmbeddedPostgres
from app.db.errors import AdministratorUnfit, DatabaseUnreachable, RoleTooPowerful

pytestmark = pytest.mark.anyio

ALL_ROLES = {roles.OWNER, roles.DEFINER, roles.APP, roles.WORKER, roles.MAINTENANCE, roles.READER}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A server on which everybody but ``postgres`` needs a password."""
    data = tmp_path_factory.mktemp("bare") / "data"
    with EmbeddedPostgres(data) as postgres:
        access = "local all postgres trust\nlocal all all scram-sha-256\n"
        (data / "postgres/pg_hba.conf").write_text(access)
        asyncio.run(execute(postgres.url("postgres", "postgres"), "SELECT pg_reload_conf()"))
        yield postgres


@pytest.fixture
async def admin(bare):
    """A fresh database as the superuser; roles that a test made are gone after it."""
    maintenance = bare.url("postgres", "postgres")
    await execute(maintenance, "CREATE DATABASE fresh")
    yield bare.url("postgres", "fresh")
    await execute(maintenance, "DROP DATABASE IF EXISTS fresh WITH (FORCE)")
    await execute(maintenance, "DROP DATABASE IF EXISTS jackfield WITH (FORCE)")
    async with administer(maintenance) as connection:
        names = await connection.scalars(
            text(
                "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'"
            )
        )
        for name in names.all():
            await connection.exec_driver_sql(f"DROP OWNED BY {name}")
            await connection.exec_driver_sql(f"DROP ROLE {name}")
        await connection.commit()


@pytest.fixture
def creator(admin) -> URL:
    """A login that is no superuser, such as hosted PostgreSQL hands out; the test says what it may do."""
    return admin.set(username="creator", password="creates")


async def execute(url: URL, *statements: str) -> object:
    async with administer(url, autocommit=True) as connection:
        for statement in statements:
            result = await connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None


async def check(url: URL) -> None:
    async with administer(url) as connection:
        await roles.check_role(connection)


class TestEnsureRoles:
    async def test_makes_roles_without_any_power(self, admin):
        await roles.provision(admin)
        async with administer(admin) as connection:
            found = await connection.execute(
                text(
                    "SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb "
                    "FROM pg_roles WHERE rolname LIKE 'jackfield%'"
                )
            )
        assert set(found.all()) == {(role, role in {roles.APP, roles.WORKER}, False) for role in ALL_ROLES}

    async def test_may_run_again_and_at_the_same_time(self, admin):
        await asyncio.gather(*(roles.provision(admin) for _ in range(4)))
        await roles.provision(admin)

    async def test_may_run_in_two_databases_at_the_same_time(self, admin):
        login = (admin.set(username=roles.APP, password="serves"), roles.APP)
        databases = [admin, admin.set(database="postgres")] * 3
        await asyncio.gather(*(roles.provision(url, logins=[login]) for url in databases))

    async def test_lets_the_owner_hand_functions_over_without_sharing_rights(self, admin):
        await roles.provision(admin)
        owner = await execute(
            admin,
            "SET ROLE jackfield_owner",
            "CREATE SCHEMA app",
            "GRANT CREATE ON SCHEMA app TO jackfield_definer",
            "CREATE FUNCTION app.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER FUNCTION app.one() OWNER TO jackfield_definer",
            "SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'one'",
        )
        assert owner == roles.DEFINER
        assert not await execute(admin, "SELECT pg_has_role('jackfield_owner', 'jackfield_definer', 'USAGE')")

    async def test_needs_no_superuser(self, admin, creator):
        await execute(admin, "CREATE ROLE creator LOGIN CREATEROLE CREATEDB PASSWORD 'creates'")
        await roles.ensure_database(creator.set(database="postgres"), "jackfield")
        app = creator.set(username="service", password="serves", database="jackfield")
        await roles.provision(creator.set(database="jackfield"), logins=[(app, roles.APP)])
        await migrate.upgrade(creator.set(database="jackfield"))
        await check(app)

    async def test_says_what_an_unfit_administrator_lacks(self, admin, creator):
        await execute(admin, "CREATE ROLE creator LOGIN PASSWORD 'creates'")
        with pytest.raises(AdministratorUnfit, match="creator may not create roles") as refusal:
            await roles.provision(creator)
        assert refusal.value.exit_code == EX_CONFIG


class TestPrepareDatabase:
    async def test_takes_the_schema_away_from_everybody_else(self, admin):
        await roles.provision(admin)
        await execute(admin, "CREATE ROLE passerby")
        assert not await execute(admin, "SELECT has_schema_privilege('passerby', 'public', 'USAGE')")
        assert await execute(admin, "SELECT has_schema_privilege('jackfield_app', 'public', 'USAGE')")
        assert not await execute(admin, "SELECT has_schema_privilege('jackfield_app', 'public', 'CREATE')")

    async def test_refuses_an_administrator_who_does_not_own_the_database(self, admin, creator):
        await execute(admin, "CREATE ROLE creator LOGIN CREATEROLE PASSWORD 'creates'")
        with pytest.raises(AdministratorUnfit, match="may not let jackfield_owner build"):
            await roles.provision(creator)


class TestEnsureDatabase:
    async def test_makes_it_once_for_all_who_ask(self, admin):
        await asyncio.gather(*(roles.ensure_database(admin, "jackfield") for _ in range(3)))
        await roles.ensure_database(admin, "jackfield")
        owner = await execute(
            admin, "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'jackfield'"
        )
        assert owner == roles.OWNER


class TestEnsureLogin:
    async def test_lets_a_new_user_in_with_the_password_of_its_url(self, admin):
        url = admin.set(username='O"Brien: $1', password="pass'wörd")
        await roles.provision(admin, logins=[(url, roles.APP)])
        assert await execute(url, "SELECT pg_has_role('jackfield_app', 'USAGE')")
        await check(url)
        with pytest.raises(DatabaseUnreachable, match="password authentication failed"):
            await execute(url.set(password="guess"), "SELECT 1")

    async def test_changes_our_own_passwords(self, admin):
        for password in ("first", "second"):
            url = admin.set(username=roles.WORKER, password=password)
            await roles.provision(admin, logins=[(url, roles.WORKER)])
            assert await execute(url, "SELECT 1") == 1

    async def test_keeps_the_password_of_a_user_it_did_not_make(self, admin):
        await execute(admin, "CREATE ROLE shared LOGIN PASSWORD 'original'")
        url = admin.set(username="shared", password="configured")
        await roles.provision(admin, logins=[(url, roles.APP)])
        assert await execute(url.set(password="original"), "SELECT pg_has_role('jackfield_app', 'USAGE')")

    async def test_sends_no_password_to_the_server(self, admin):
        url = admin.set(username="service", password="seen-by-nobody")
        await roles.provision(admin, logins=[(url, roles.APP)])
        stored = await execute(admin, "SELECT rolpassword FROM pg_authid WHERE rolname = 'service'")
        assert stored.startswith("SCRAM-SHA-256$4096:")

    async def test_refuses_a_url_without_a_user(self, admin):
        with pytest.raises(AdministratorUnfit, match="names no user"):
            await roles.provision(admin, logins=[("postgresql://localhost/jackfield", roles.APP)])


class TestCheckRole:
    @pytest.mark.parametrize("role", [roles.APP, roles.WORKER])
    async def test_lets_our_logins_serve(self, admin, role):
        url = admin.set(username=role, password="serves")
        await roles.provision(admin, logins=[(url, role)])
        await check(url)

    @pytest.mark.parametrize(
        ("grant", "reason"),
        [
            ("ALTER ROLE service SUPERUSER", "is a superuser"),
            ("ALTER ROLE service BYPASSRLS", "has BYPASSRLS"),
            ("ALTER ROLE service CREATEROLE", "may create roles"),
            ("GRANT jackfield_owner TO service", "is a member of the owner"),
            ("GRANT jackfield_owner TO service WITH INHERIT FALSE, SET FALSE", "is a member of the owner"),
            ("GRANT jackfield_definer TO jackfield_app", "is a member of the owner"),
            ("CREATE TABLE mine (); ALTER TABLE mine OWNER TO service", "owns a table"),
        ],
    )
    async def test_refuses_a_login_that_could_see_every_tenant(self, admin, grant, reason):
        url = admin.set(username="service", password="serves")
        await roles.provision(admin, logins=[(url, roles.APP)])
        await execute(admin, *grant.split("; "))
        with pytest.raises(RoleTooPowerful, match=f"login service {reason}") as refusal:
            await check(url)
        assert refusal.value.exit_code == EX_CONFIG

    async def test_looks_at_who_logged_in_not_at_who_it_plays(self, admin):
        await roles.provision(admin)
        async with administer(admin) as connection:
            await connection.exec_driver_sql("SET ROLE jackfield_app")
            with pytest.raises(RoleTooPowerful, match="is a superuser"):
                await roles.check_role(connection)

    async def test_refuses_a_superuser_before_anything_was_made(self, admin):
        with pytest.raises(RoleTooPowerful, match="is a superuser"):
            await check(admin)


class TestAdminister:
    def test_reads_the_words_of_libpq(self):
        url = as_asyncpg("postgresql://app@db.example/jackfield?sslmode=verify-full")
        assert url == make_url("postgresql+asyncpg://app@db.example/jackfield?ssl=verify-full")

    async def test_hides_the_password_when_it_cannot_connect(self):
        with pytest.raises(DatabaseUnreachable, match=r"app:\*\*\*@127\.0\.0\.1:1/") as failure:
            await execute(make_url("postgresql://app:hunter2@127.0.0.1:1/jackfield"), "SELECT 1")
        assert "hunter2" not in str(failure.value)
        assert failure.value.exit_code == 1
