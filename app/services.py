"""Composition root of what stands behind every way in: built without FastAPI, so that it is there first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.auth.authenticator import Authenticator
from app.core.crypto import MasterKeys
from app.core.egress.calls import CallClient
from app.core.egress.fetch import FetchClient
from app.core.egress.policy import EgressPolicy
from app.core.settings import Settings
from app.db import migrate, roles
from app.db.announced import Changes
from app.db.errors import DatabaseUnreachable
from app.db.session import Database, create_database
from app.executions.backlog import Backlog
from app.executions.batcher import AdmissionBatcher
from app.executions.executor import Executor
from app.executions.plans import Plans
from app.executions.source import ExecutionSource
from app.ingest.handshakes import Handshakes
from app.ingest.quarantine import Quarantine
from app.ingest.routes import Routes
from app.ingest.service import Ingest, Waiting
from app.ingest.verifier import Verifier
from app.limits.limiter import Limiter
from app.openapi_sync.argument_rules import ArgumentRules
from app.openapi_sync.library import DocumentLibrary
from app.sealing import master_keys, system_keys
from app.sealing.errors import MasterKeyMissing
from app.sealing.service import KeyCache
from app.sealing.system_keys import SystemKeys
from app.signatures.key_source import FetchedKeys


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process holds open while it runs."""

    settings: Settings
    database: Database
    keys: KeyCache
    changes: Changes
    system: SystemKeys
    calls: CallClient
    fetch: FetchClient
    library: DocumentLibrary = field(default_factory=DocumentLibrary)


@asynccontextmanager
async def open_resources(settings: Settings, url: URL | str) -> AsyncIterator[Resources]:
    """Open and check everything, or raise a ``BootFailure``; close it in the end."""
    database = create_database(
        url,
        pool_size=settings.pool_size,
        overflow=settings.pool_overflow,
        timeout=settings.pool_timeout,
        application="jackfield",
    )
    policy = EgressPolicy(settings.egress_allow)
    try:
        await check_database(database)
        master = await load_master_keys(settings, database)
        system = await open_system_keys(database, master)
        async with CallClient(policy) as calls:
            yield Resources(
                settings, database, KeyCache(master), Changes(), system, calls, FetchClient(policy)
            )
    finally:
        await database.dispose()


async def check_database(database: Database) -> None:
    """Reachable, at this release's revision, and through a role that row-level security binds."""
    try:
        async with database.transaction(None) as session:
            connection = await session.connection()
            await roles.check_role(connection)
            await migrate.check_at_head(connection)
    except (OSError, SQLAlchemyError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnreachable(f"The database does not let us in: {reason}.") from error


async def load_master_keys(settings: Settings, database: Database) -> MasterKeys:
    """The configured master keys; the first one is made for an empty database, and never for another."""
    found = master_keys.load(settings)
    if found is not None:
        return found
    async with database.transaction(None) as session:
        if not await system_keys.is_empty(session):
            raise MasterKeyMissing(
                f"The database holds sealed values, but there is no master key: set JACKFIELD_MASTER_KEY "
                f"or restore {master_keys.default_file(settings)}."
            )
    return master_keys.create(settings)


async def open_system_keys(database: Database, master: MasterKeys) -> SystemKeys:
    async with database.transaction(None) as session:
        return await system_keys.open_or_create(session, master)


@dataclass(frozen=True, slots=True)
class Services:
    """What answers, whatever the way in: one of each for a process."""

    resources: Resources
    authenticator: Authenticator
    executor: Executor
    limiter: Limiter
    admissions: AdmissionBatcher
    routes: Routes
    verifier: Verifier
    ingest: Ingest
    checks: Mapping[str, Callable[[], Awaitable[None]]]
    draining: asyncio.Event


def create_services(resources: Resources) -> Services:
    settings, database = resources.settings, resources.database
    authenticator = Authenticator(database, resources.system.pepper)
    executor = Executor(ExecutionSource(database, create_plans(resources, database), resources.calls))
    limiter = Limiter(database, settings)
    admissions = AdmissionBatcher(database, most_waiting=settings.ingest_queue)
    verifier = Verifier(authenticator, FetchedKeys(resources.fetch))
    return Services(
        resources,
        authenticator,
        executor,
        limiter,
        admissions,
        Routes(database, resources.keys, resources.changes, limiter, settings),
        verifier,
        Ingest(
            Handshakes(database, resources.keys, resources.fetch),
            verifier,
            Quarantine(database, resources.keys),
            limiter,
            admissions,
            Waiting(database, executor),
        ),
        {
            "database": lambda: check_database(database),
            "keys": lambda: check_keys(resources),
            "queue": Backlog(database).check,
        },
        asyncio.Event(),
    )


def create_plans(resources: Resources, database: Database) -> Plans:
    """``database``: as whoever runs the executions."""
    return Plans(resources.keys, resources.changes, ArgumentRules(database, resources.library))


async def check_keys(resources: Resources) -> None:
    """The master keys still open what the database holds."""
    await open_system_keys(resources.database, resources.keys.master)
