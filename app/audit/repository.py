from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, insert

from app.db.base import Json
from app.db.repository import TenantRepository
from app.models import AuditRecord


@dataclass(frozen=True, slots=True)
class AuditFilter:
    integration_id: UUID | None = None
    actor: str | None = None
    """The actor's id or name."""
    action: str | None = None
    resource: str | None = None
    """The resource's id or type."""
    since: datetime | None = None
    until: datetime | None = None


class AuditRepository(TenantRepository[AuditRecord]):
    model = AuditRecord

    def matching(self, wanted: AuditFilter) -> Select[AuditRecord]:
        query = self.select()
        if wanted.integration_id is not None:
            query = query.where(AuditRecord.integration_id == wanted.integration_id)
        if wanted.actor is not None:
            query = query.where(
                (AuditRecord.actor_id == wanted.actor) | (AuditRecord.actor_name == wanted.actor)
            )
        if wanted.action is not None:
            query = query.where(AuditRecord.action == wanted.action)
        if wanted.resource is not None:
            query = query.where(
                (AuditRecord.resource_id == wanted.resource) | (AuditRecord.resource_type == wanted.resource)
            )
        if wanted.since is not None:
            query = query.where(AuditRecord.created_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(AuditRecord.created_at < wanted.until)
        return query

    async def insert_all(self, rows: list[Json]) -> None:
        if rows:
            await self.session.execute(insert(AuditRecord), rows)

    async def knows(self, integration_id: UUID) -> bool:
        """Whether the integration was ever recorded; it is from the moment it was made."""
        query = self.select().where(AuditRecord.integration_id == integration_id).limit(1)
        return (await self.session.scalars(query)).one_or_none() is not None
