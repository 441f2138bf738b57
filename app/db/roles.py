"""The roles in PostgreSQL, made by an administrator, checked by everybody who serves.

jackfield_owner     owns the tables; nobody logs in as it, migrations SET ROLE to it
jackfield_definer   owns the SECURITY DEFINER functions; jackfield_owner may hand functions over to it
jackfield_app       what the API may do; row-level security holds for it
jackfield_worker    the same, and calls the functions that claim work of all tenants
jackfield_maint     partitions and retention
jackfield_ro        reads
"""

import asyncio
import base64
import hashlib
import hmac
import os
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.admin import administer, sqlstate
from app.db.errors import AdministratorUnfit, RoleTooPowerful

OWNER = "jackfield_owner"
DEFINER = "jackfield_definer"
APP = "jackfield_app"
WORKER = "jackfield_worker"
MAINTENANCE = "jackfield_maint"
READER = "jackfield_ro"

_LOGINS = (APP, WORKER)
_GROUPS = (OWNER, DEFINER, MAINTENANCE, READER)
_USERS_OF_THE_SCHEMA = f"{DEFINER}, {APP}, {WORKER}, {MAINTENANCE}, {READER}"

_LOCK = 0x6A61_636B_726F_6C65  # "jackrole"
_FIRST_WITH_GRANT_OPTIONS = 160_000  # GRANT … WITH INHERIT, SET: PostgreSQL 16
_INSUFFICIENT_PRIVILEGE = "42501"
_DUPLICATE_DATABASE = "42P04"
_UNIQUE_VIOLATION = "23505"
_CHANGED_MEANWHILE = {_UNIQUE_VIOLATION, "XX000"}  # "tuple concurrently updated" has no code of its own
_BACKOFF = (0.05, 0.1, 0.2, 0.4, 0.8)
_SCRAM_ROUNDS = 4096  # PostgreSQL's own default, `scram_iterations`


_CREATE_ROLES = "".join(
    [
        "DO $$ BEGIN ",
        *(
            f"BEGIN CREATE ROLE {role} {'LOGIN' if role in _LOGINS else 'NOLOGIN'}"
            " NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; "
            for role in (*_LOGINS, *_GROUPS)
        ),
        "END $$",
    ]
)


async def provision(admin_url: URL | str, *, logins: Sequence[tuple[URL | str, str]] = ()) -> None:
    """Make the roles, their rights in this database, and each login as a member of its group.

    `logins`: pairs of a connection URL and ``jackfield_app`` or ``jackfield_worker``. Run it as often as you
    like; what is there stays.
    """

    async def work(connection: AsyncConnection) -> None:
        await ensure_roles(connection)
        await prepare_database(connection)
        for url, group in logins:
            await ensure_login(connection, url, group=group)

    await _in_a_transaction(admin_url, work)


async def ensure_roles(connection: AsyncConnection) -> None:
    """Create the roles that are missing, in the caller's transaction; two in one database take turns."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    async with _as_administrator(connection, "create roles"):
        await connection.exec_driver_sql(_CREATE_ROLES)
        await _let_become(connection, OWNER, DEFINER)
        await _let_become(connection, "CURRENT_USER", OWNER)


async def ensure_database(admin_url: URL | str, name: str) -> None:
    """Create the roles, and the database owned by ``jackfield_owner``, unless they exist.

    `admin_url` leads to another database of the server, such as ``postgres``.
    """
    await _in_a_transaction(admin_url, ensure_roles)
    async with administer(admin_url, autocommit=True) as connection:
        statement = text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
        if await connection.scalar(statement, {"name": name}):
            return
        try:
            async with _as_administrator(connection, "create databases"):
                await connection.exec_driver_sql(f"CREATE DATABASE {_quoted(name)} OWNER {OWNER}")
        except DBAPIError as error:
            if sqlstate(error) not in {_DUPLICATE_DATABASE, _UNIQUE_VIOLATION}:  # somebody was faster
                raise


async def prepare_database(connection: AsyncConnection) -> None:
    """Give ``jackfield_owner`` this database to build in, and everybody else no more than a look at it."""
    row = await connection.execute(
        text("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
    )
    database, owner = row.one()
    if owner == OWNER:  # whoever made the database for it need not have inherited its rights
        await connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER}")
    async with _as_administrator(connection, "grant rights in the database"):
        for statement in (
            f"GRANT CONNECT, CREATE ON DATABASE {_quoted(database)} TO {OWNER}",
            f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {_USERS_OF_THE_SCHEMA}",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}",
            f"GRANT USAGE ON SCHEMA public TO {_USERS_OF_THE_SCHEMA}",
        ):
            await connection.exec_driver_sql(statement)
    await connection.exec_driver_sql("RESET ROLE")
    await _check_owner_may_build(connection)


async def ensure_login(connection: AsyncConnection, url: URL | str, *, group: str = APP) -> None:
    """Let the user whom `url` names log in with its password, as a member of `group`.

    A user that exists keeps its password, for it may serve others; ours (``jackfield_app``,
    ``jackfield_worker``) take the one that is configured. The roles must exist.
    """
    target = make_url(url)
    user = target.username
    if not user:
        raise AdministratorUnfit(f"{target.render_as_string(hide_password=True)} names no user.")
    password = f" PASSWORD '{_scram_verifier(target.password)}'" if target.password else ""
    known = await connection.scalar(
        text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :user)"), {"user": user}
    )
    async with _as_administrator(connection, "create logins"):
        if not known:
            await connection.exec_driver_sql(f"CREATE ROLE {_quoted(user)} LOGIN{password}")
        elif user in _LOGINS and password:
            await connection.exec_driver_sql(f"ALTER ROLE {_quoted(user)} LOGIN{password}")
        if user != group and not await _is_member(connection, user, group):
            await connection.exec_driver_sql(f"GRANT {_quoted(group)} TO {_quoted(user)}")


async def check_role(connection: AsyncConnection) -> None:
    """Refuse to serve with a login that row-level security does not hold for, or that could lift it."""
    found = await connection.execute(_POWERS, {"roles": [OWNER, DEFINER]})
    user, reason = found.one()
    if reason is not None:
        raise RoleTooPowerful(
            f"The database login {user} {reason}, so row-level security would not hold: "
            f"connect as {APP} or as a member of it."
        )


# `session_user`, because a session can always go back to it; `pg_has_role(…, 'MEMBER')`, because a membership
# without INHERIT or SET can still be turned into one by whoever holds its admin option.
_POWERS = text("""
    SELECT session_user, CASE
        WHEN rolsuper THEN 'is a superuser'
        WHEN rolbypassrls THEN 'has BYPASSRLS'
        WHEN rolcreaterole THEN 'may create roles'
        WHEN EXISTS (
            SELECT FROM pg_roles AS other
            WHERE other.rolname = ANY (:roles) AND pg_has_role(session_user, other.oid, 'MEMBER')
        ) THEN 'is a member of the owner of the tables or functions'
        WHEN EXISTS (
            SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname IN ('public', 'app') AND relkind IN ('r', 'p', 'v', 'm')
                AND pg_has_role(session_user, relowner, 'MEMBER')
        ) THEN 'owns a table'
    END
    FROM pg_roles WHERE rolname = session_user
""")


async def _in_a_transaction(admin_url: URL | str, work: Callable[[AsyncConnection], Awaitable[None]]) -> None:
    """Do the work, again if need be: an advisory lock is one database's, a role is the whole server's, and
    two who change one from two databases do not wait: the second fails."""
    for pause in (*_BACKOFF, None):
        try:
            async with administer(admin_url) as connection, connection.begin():
                await work(connection)
            return
        except DBAPIError as error:
            if sqlstate(error) not in _CHANGED_MEANWHILE or pause is None:
                raise
            await asyncio.sleep(pause)


@asynccontextmanager
async def _as_administrator(connection: AsyncConnection, purpose: str) -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise AdministratorUnfit(
            f"The database login {connection.engine.url.username} may not {purpose}: "
            "name a superuser, or a role with CREATEROLE that owns the database, in "
            "JACKFIELD_ADMIN_DATABASE_URL."
        ) from error


async def _let_become(connection: AsyncConnection, member: str, role: str) -> None:
    """Let `member` SET ROLE to `role`; from PostgreSQL 16 on without having its rights before it does."""
    version = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    options = version >= _FIRST_WITH_GRANT_OPTIONS
    who = "current_user" if member == "CURRENT_USER" else f"'{member}'"
    can = await connection.exec_driver_sql(
        f"SELECT pg_has_role({who}, '{role}', '{'SET' if options else 'MEMBER'}')"
    )
    if not can.scalar_one():
        await connection.exec_driver_sql(
            f"GRANT {role} TO {member}" + (" WITH INHERIT FALSE, SET TRUE" if options else "")
        )


async def _is_member(connection: AsyncConnection, user: str, group: str) -> bool:
    statement = text("SELECT pg_has_role(:user, :group, 'USAGE')")
    return bool(await connection.scalar(statement, {"user": user, "group": group}))


async def _check_owner_may_build(connection: AsyncConnection) -> None:
    """A GRANT by somebody who holds the right without its grant option only warns."""
    may = await connection.exec_driver_sql(
        f"SELECT has_database_privilege('{OWNER}', current_database(), 'CREATE')"
        f" AND has_schema_privilege('{OWNER}', 'public', 'CREATE')"
    )
    if not may.scalar_one():
        raise AdministratorUnfit(
            f"The database login {connection.engine.url.username} may not let {OWNER} build in this "
            "database: name the database's owner or a superuser in JACKFIELD_ADMIN_DATABASE_URL."
        )


def _scram_verifier(password: str) -> str:
    """What PostgreSQL stores (RFC 5803), made here, so that the password reaches no log of the server."""
    normal = unicodedata.normalize("NFKC", password).encode()  # SASLprep (RFC 4013) for what people type
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", normal, salt, _SCRAM_ROUNDS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded_salt, stored, server = (
        base64.b64encode(part).decode() for part in (salt, stored_key, server_key)
    )
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{encoded_salt}${stored}:{server}"


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
