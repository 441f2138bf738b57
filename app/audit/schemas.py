from typing import Self
from uuid import UUID

from app.models import AuditRecord
from app.web.schemas import Shown, Timestamp


class ActorRead(Shown):
    type: str
    id: str
    name: str


class ResourceRead(Shown):
    type: str
    id: str
    name: str | None


class AuditRead(Shown):
    id: UUID
    integration_id: UUID | None
    actor: ActorRead
    action: str
    resource: ResourceRead
    changes: dict[str, object]
    outcome: str
    ip: str | None
    user_agent: str | None
    request_id: str | None
    created_at: Timestamp

    @classmethod
    def of(cls, row: AuditRecord) -> Self:
        return cls(
            actor=ActorRead(type=row.actor_type, id=row.actor_id, name=row.actor_name),
            resource=ResourceRead(type=row.resource_type, id=row.resource_id, name=row.resource_name),
            **{name: getattr(row, name) for name in PLAIN},
        )


PLAIN = (
    "id",
    "integration_id",
    "action",
    "changes",
    "outcome",
    "ip",
    "user_agent",
    "request_id",
    "created_at",
)
