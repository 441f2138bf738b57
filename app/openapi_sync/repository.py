from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer

from app.core.errors import NotFound
from app.core.ids import new_id
from app.db.base import Json
from app.db.repository import TenantRepository
from app.handlers.repository import HandlerRepository
from app.models import Handler, HandlerSource, Integration, OpenApiDocument, SyncSchedule
from app.openapi_sync.changes import HandlerChange, columns
from app.openapi_sync.identity import ExistingHandler
from app.openapi_sync.reading import Reading

KEPT_DOCUMENTS = 20

Described = tuple[UUID, str, str]
"""Integration, method and path."""


class DocumentRepository(TenantRepository[OpenApiDocument]):
    """The documents that an integration was synced from, newest last."""

    model = OpenApiDocument

    async def lock(self, integration_id: UUID) -> Integration:
        """The integration, with no other sync of it until the transaction ends. Raises ``NotFound``.

        The row itself is the lock, so that nobody deletes it meanwhile either.
        """
        query = (
            select(Integration)
            .where(Integration.tenant_id == self.tenant_id, Integration.id == integration_id)
            .with_for_update(key_share=True)
        )
        row = (await self.session.scalars(query)).one_or_none()
        if row is None:
            raise NotFound
        return row

    async def find_latest(self, integration_id: UUID, source: str | None = None) -> OpenApiDocument | None:
        """What was synced last; of one ``source`` when that is given. Its bytes are not loaded."""
        query = self.select().where(OpenApiDocument.integration_id == integration_id)
        query = query.options(defer(OpenApiDocument.compressed, raiseload=True))
        if source is not None:
            query = query.where(OpenApiDocument.source == source)
        newest = query.order_by(OpenApiDocument.created_at.desc(), OpenApiDocument.id.desc()).limit(1)
        return (await self.session.scalars(newest)).one_or_none()

    async def latest_of_each_source(self, integration_ids: Collection[UUID]) -> list[tuple[UUID, UUID]]:
        """Of the documents that handlers of these integrations may come from, newest first: the integration,
        and the id."""
        source = OpenApiDocument.integration_id, OpenApiDocument.source
        newest = (
            select(OpenApiDocument.integration_id, OpenApiDocument.id, OpenApiDocument.created_at)
            .where(
                OpenApiDocument.tenant_id == self.tenant_id,
                OpenApiDocument.integration_id.in_(integration_ids),
            )
            .ext(distinct_on(*source))
            .order_by(*source, OpenApiDocument.created_at.desc(), OpenApiDocument.id.desc())
            .subquery()
        )
        query = select(newest.c.integration_id, newest.c.id).order_by(newest.c.created_at.desc())
        return [(row.integration_id, row.id) for row in await self.session.execute(query)]

    async def content(self, id: UUID) -> bytes:
        """The bytes of a document, compressed. Raises ``NotFound`` when newer ones have taken its place."""
        query = select(OpenApiDocument.compressed).where(
            OpenApiDocument.tenant_id == self.tenant_id, OpenApiDocument.id == id
        )
        compressed = (await self.session.scalars(query)).one_or_none()
        if compressed is None:
            raise NotFound
        return compressed

    async def contents(self, ids: Collection[UUID]) -> dict[UUID, bytes]:
        """The bytes of those of the documents that are still kept, compressed."""
        query = select(OpenApiDocument.id, OpenApiDocument.compressed).where(
            OpenApiDocument.tenant_id == self.tenant_id, OpenApiDocument.id.in_(ids)
        )
        return {row.id: row.compressed for row in await self.session.execute(query)}

    async def keep(
        self, integration_id: UUID, reading: Reading, *, source: str, etag: str | None, modified: str | None
    ) -> None:
        """Add a document, and drop the oldest beyond ``KEPT_DOCUMENTS``."""
        await self.session.execute(
            insert(OpenApiDocument).values(
                tenant_id=self.tenant_id,
                id=new_id(),
                integration_id=integration_id,
                source=source,
                content_hash=reading.content_hash,
                etag=etag,
                last_modified=modified,
                openapi_version=reading.version,
                compressed=reading.compressed,
                # Not now(), when the transaction began: it may have waited for one that began later.
                created_at=func.clock_timestamp(),
            )
        )
        mine = (
            OpenApiDocument.tenant_id == self.tenant_id,
            OpenApiDocument.integration_id == integration_id,
        )
        kept = (
            select(OpenApiDocument.id)
            .where(*mine)
            .order_by(OpenApiDocument.created_at.desc(), OpenApiDocument.id.desc())
            .limit(KEPT_DOCUMENTS)
        )
        await self.session.execute(
            delete(OpenApiDocument).where(*mine, OpenApiDocument.id.not_in(kept)),
            execution_options={"synchronize_session": False},
        )


class SyncedHandlerRepository(HandlerRepository):
    """Handlers in bulk: a document may describe thousands."""

    async def existing(self, integration_id: UUID, *, lock: bool) -> list[ExistingHandler]:
        """Those that syncs of the integration made.

        With ``lock`` nobody edits one until the transaction ends; executions may refer to them meanwhile.
        """
        query = select(
            Handler.id,
            Handler.name,
            Handler.operation_id,
            Handler.operation_method,
            Handler.operation_path,
            Handler.target,
            Handler.default_args,
            Handler.baseline_args,
            Handler.summary,
            Handler.missing_since,
            Handler.enabled,
            Handler.orphaned_args,
            Handler.version,
        ).where(
            Handler.tenant_id == self.tenant_id,
            Handler.integration_id == integration_id,
            Handler.source == HandlerSource.OPENAPI,
        )
        query = query.order_by(Handler.id)
        rows = await self.session.execute(query.with_for_update(key_share=True) if lock else query)
        return [
            ExistingHandler(
                id=row.id,
                name=row.name,
                operation_id=row.operation_id,
                method=row.operation_method or "",
                path=row.operation_path or "",
                target=row.target,
                default_args=row.default_args,
                baseline_args=row.baseline_args or {},
                summary=row.summary,
                missing_since=row.missing_since,
                enabled=row.enabled,
                orphaned_args=tuple(row.orphaned_args),
                version=row.version,
            )
            for row in rows
        ]

    async def state(self, integration_id: UUID) -> Json:
        """Another one after every change of a handler that syncs made: none comes without a sync, none
        changes without its version, none goes without the count."""
        query = select(func.count(), func.coalesce(func.sum(Handler.version), 0)).where(
            Handler.tenant_id == self.tenant_id,
            Handler.integration_id == integration_id,
            Handler.source == HandlerSource.OPENAPI,
        )
        count, versions = (await self.session.execute(query)).one()
        return {"handlers": count, "versions": int(versions)}

    async def names(self) -> set[str]:
        """The names of all handlers of the tenant."""
        return set(
            await self.session.scalars(select(Handler.name).where(Handler.tenant_id == self.tenant_id))
        )

    async def insert_all(self, rows: Iterable[Json]) -> None:
        """``rows`` by column, with an id. Raises ``HandlerNameTaken``."""
        given = [{"tenant_id": self.tenant_id, **row} for row in rows]
        if not given:
            return
        try:
            await self.session.execute(insert(Handler), given)
        except IntegrityError as error:
            raise self._conflict(error) from error

    async def update_all(self, changes: Iterable[HandlerChange]) -> None:
        """One statement for all, so it writes every column that a sync may change."""
        given = [
            {f"new_{column}": value for column, value in {**columns(change.handler), **change.after}.items()}
            | {"handler_id": change.handler.id}
            for change in changes
            if change.handler
        ]
        if not given:
            return
        written: Json = {
            name.removeprefix("new_"): bindparam(name) for name in given[0] if name != "handler_id"
        }
        statement = (
            update(Handler)
            .where(Handler.tenant_id == self.tenant_id, Handler.id == bindparam("handler_id"))
            .values(version=Handler.version + 1, **written)
        )
        # On the connection: a session would take a list of parameters for rows by primary key.
        await (await self.session.connection()).execute(statement, given)

    async def delete_all(self, ids: Iterable[UUID]) -> None:
        if given := list(ids):
            await self.session.execute(
                delete(Handler).where(Handler.tenant_id == self.tenant_id, Handler.id.in_(given)),
                execution_options={"synchronize_session": False},
            )


class HeldRepository(TenantRepository[SyncSchedule]):
    """What scheduled syncs of an integration left to a person."""

    model = SyncSchedule

    async def baselines(self, integration_ids: Collection[UUID]) -> dict[Described, UUID]:
        """By what each handler that is held is described as, the document that it last agreed with."""
        query = select(SyncSchedule.integration_id, SyncSchedule.held).where(
            SyncSchedule.tenant_id == self.tenant_id,
            SyncSchedule.integration_id.in_(integration_ids),
            SyncSchedule.held != [],
        )
        return {
            (row.integration_id, str(one["method"]), str(one["path"])): UUID(str(one["baseline"]))
            for row in await self.session.execute(query)
            for one in row.held
            if one["baseline"]
        }

    async def release(self, integration_id: UUID) -> None:
        """A person has decided. A run that is under way was told of another state, and loses its claim."""
        waiting = (SyncSchedule.held != []) | SyncSchedule.leased_until.is_not(None)
        await self.session.execute(
            update(SyncSchedule)
            .where(
                SyncSchedule.tenant_id == self.tenant_id,
                SyncSchedule.integration_id == integration_id,
                waiting,
            )
            .values(held=[], fence=SyncSchedule.fence + 1, version=SyncSchedule.version + 1),
            execution_options={"synchronize_session": False},
        )
