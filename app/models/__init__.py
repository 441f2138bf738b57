"""Every table, so that Alembic and the mapper see all of them. Models import no feature."""

from app.models.access_token import AccessToken
from app.models.audit_record import AuditAction, AuditOutcome, AuditRecord
from app.models.event import Event, EventType
from app.models.execution import Attempt, DedupKey, Execution, ExecutionStatus, RejectedRequest, Trigger
from app.models.handler import Handler, HandlerMode, HandlerSource
from app.models.idempotency_key import IdempotencyKey
from app.models.integration import Integration, OfIntegration
from app.models.key import KeyState, SystemKey, TenantKey
from app.models.oauth_client import OAuthClient
from app.models.openapi_document import OpenApiDocument
from app.models.rate_bucket import RateBucket
from app.models.replay import Replay, ReplayStatus
from app.models.sealed_value import Credential, CredentialSource, Secret
from app.models.sync_schedule import SyncOutcome, SyncSchedule
from app.models.tenant import Tenant, TenantStatus
from app.models.tenant_connector import TenantConnector
from app.models.usage_counter import Metric, UsageCounter

__all__ = [
    "AccessToken",
    "Attempt",
    "AuditAction",
    "AuditOutcome",
    "AuditRecord",
    "Credential",
    "CredentialSource",
    "DedupKey",
    "Event",
    "EventType",
    "Execution",
    "ExecutionStatus",
    "Handler",
    "HandlerMode",
    "HandlerSource",
    "IdempotencyKey",
    "Integration",
    "KeyState",
    "Metric",
    "OAuthClient",
    "OfIntegration",
    "OpenApiDocument",
    "RateBucket",
    "RejectedRequest",
    "Replay",
    "ReplayStatus",
    "Secret",
    "SyncOutcome",
    "SyncSchedule",
    "SystemKey",
    "Tenant",
    "TenantConnector",
    "TenantKey",
    "TenantStatus",
    "Trigger",
    "UsageCounter",
]
