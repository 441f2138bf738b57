from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import TenantId
from app.db.base import Json, TenantScoped


class AuditAction(StrEnum):
    TENANT_CREATED = "tenant.created"
    TENANT_UPDATED = "tenant.updated"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_ACTIVATED = "tenant.activated"
    TENANT_DELETED = "tenant.deleted"
    ACCESS_TOKEN_CREATED = "access_token.created"
    ACCESS_TOKEN_REVOKED = "access_token.revoked"
    ACCESS_DENIED = "access.denied"
    INTEGRATION_CREATED = "integration.created"
    INTEGRATION_UPDATED = "integration.updated"
    INTEGRATION_ENABLED = "integration.enabled"
    INTEGRATION_DISABLED = "integration.disabled"
    INTEGRATION_DELETED = "integration.deleted"
    INTEGRATION_HANDLERS_SYNCED = "integration.handlers_synced"
    INTEGRATION_SYNC_HELD = "integration.sync_held"
    INTEGRATION_SYNC_FAILED = "integration.sync_failed"
    SYNC_SCHEDULE_CREATED = "sync_schedule.created"
    SYNC_SCHEDULE_UPDATED = "sync_schedule.updated"
    SYNC_SCHEDULE_DELETED = "sync_schedule.deleted"
    SYNC_SCHEDULE_RUN_REQUESTED = "sync_schedule.run_requested"
    CREDENTIAL_CREATED = "credential.created"
    CREDENTIAL_UPDATED = "credential.updated"
    CREDENTIAL_DELETED = "credential.deleted"
    CREDENTIAL_REVEALED = "credential.revealed"
    SECRET_CREATED = "secret.created"
    SECRET_UPDATED = "secret.updated"
    SECRET_DELETED = "secret.deleted"
    CONNECTOR_CHANGED = "connector.changed"
    CONNECTOR_REMOVED = "connector.removed"
    OAUTH_CLIENT_CREATED = "oauth_client.created"
    OAUTH_CLIENT_UPDATED = "oauth_client.updated"
    OAUTH_CLIENT_DELETED = "oauth_client.deleted"
    HANDLER_CREATED = "handler.created"
    HANDLER_UPDATED = "handler.updated"
    HANDLER_DELETED = "handler.deleted"
    HANDLER_EXECUTED = "handler.executed"
    EXECUTION_REPLAYED = "execution.replayed"
    EXECUTION_CANCELLED = "execution.cancelled"
    REJECTED_REQUEST_RELEASED = "rejected_request.released"
    REPLAY_STARTED = "replay.started"
    REPLAY_FINISHED = "replay.finished"
    REPLAY_CANCELLED = "replay.cancelled"
    AUDIT_LOG_EXPORTED = "audit_log.exported"


class AuditOutcome(StrEnum):
    SUCCESS = "success"
    DENIED = "denied"


class AuditRecord(TenantScoped):
    """Who did what. Append-only: the database refuses UPDATE, DELETE and TRUNCATE.

    It names its tenant and integration without foreign keys, so that it outlives both.
    """

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index("ix_audit_logs_tenant_id_created_at", "tenant_id", "created_at", "id"),
        Index("ix_audit_logs_tenant_id_integration_id", "tenant_id", "integration_id", "created_at", "id"),
    )

    tenant_id: Mapped[TenantId] = mapped_column(Uuid, primary_key=True)
    integration_id: Mapped[UUID | None]
    actor_type: Mapped[str]
    actor_id: Mapped[str]
    actor_name: Mapped[str]
    action: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    resource_name: Mapped[str | None]
    changes: Mapped[Json] = mapped_column(JSONB)
    outcome: Mapped[str] = mapped_column(default=AuditOutcome.SUCCESS)
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
    request_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
