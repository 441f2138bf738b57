from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, TenantScoped


class EventType(StrEnum):
    INTEGRATION_CREATED = "integration.created"
    INTEGRATION_UPDATED = "integration.updated"
    INTEGRATION_ENABLED = "integration.enabled"
    INTEGRATION_DISABLED = "integration.disabled"
    INTEGRATION_DELETED = "integration.deleted"
    INTEGRATION_HANDLERS_SYNCED = "integration.handlers_synced"
    INTEGRATION_SYNC_HELD = "integration.sync_held"
    INTEGRATION_SYNC_FAILED = "integration.sync_failed"
    CREDENTIAL_CREATED = "credential.created"
    CREDENTIAL_UPDATED = "credential.updated"
    CREDENTIAL_DELETED = "credential.deleted"
    SECRET_CREATED = "secret.created"
    SECRET_UPDATED = "secret.updated"
    SECRET_DELETED = "secret.deleted"
    HANDLER_CREATED = "handler.created"
    HANDLER_UPDATED = "handler.updated"
    HANDLER_DELETED = "handler.deleted"
    TOOL_CREATED = "tool.created"
    TOOL_REMOVED = "tool.removed"
    TOOL_METADATA_UPDATED = "tool.metadata_updated"
    TOOL_PERMISSION_CHANGED = "tool.permission_changed"
    TOOLS_LIST_UPDATED = "tools.list_updated"
    """Of an integration's tools: a hint to look again, whose sequence says nothing."""
    EXECUTION_SUCCEEDED = "execution.succeeded"
    EXECUTION_FAILED = "execution.failed"
    EXECUTION_DEAD = "execution.dead"
    ACCESS_TOKEN_CREATED = "access_token.created"
    ACCESS_TOKEN_REVOKED = "access_token.revoked"
    USAGE_THRESHOLD_REACHED = "usage.threshold_reached"
    USAGE_LIMIT_EXCEEDED = "usage.limit_exceeded"


class Event(TenantScoped):
    """One change of state, in the outbox: written in the transaction of the change."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_tenant_id_created_at", "tenant_id", "created_at", "id"),)

    type: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    actor_type: Mapped[str]
    actor_id: Mapped[str]
    correlation_id: Mapped[str | None]
    sequence: Mapped[int]
    """Order of one resource's events: the version of the resource that the change made."""
    payload: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
