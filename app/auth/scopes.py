"""Scopes are ``resource:verb``. A token may hold ``*``, ``resource:*`` or ``*:verb``."""

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    INTEGRATIONS_READ = "integrations:read"
    INTEGRATIONS_WRITE = "integrations:write"
    CREDENTIALS_READ = "credentials:read"
    CREDENTIALS_WRITE = "credentials:write"
    SECRETS_READ = "secrets:read"
    SECRETS_WRITE = "secrets:write"
    CONNECTORS_READ = "connectors:read"
    CONNECTORS_WRITE = "connectors:write"
    HANDLERS_READ = "handlers:read"
    HANDLERS_WRITE = "handlers:write"
    HANDLERS_EXECUTE = "handlers:execute"
    EXECUTIONS_READ = "executions:read"
    EXECUTIONS_WRITE = "executions:write"
    EVENTS_READ = "events:read"
    USAGE_READ = "usage:read"
    AUDIT_READ = "audit:read"
    ACCESS_TOKENS_READ = "access_tokens:read"
    ACCESS_TOKENS_WRITE = "access_tokens:write"


OPERATOR_SCOPE = "tenants:admin"
"""Held by the operator token alone: no tenant can grant it, not even with ``*``."""


def is_grantable(scope: str) -> bool:
    """Whether an access token of a tenant may hold this."""
    return scope == "*" or any(_covers(scope, known) for known in Scope)


def grants(held: Collection[str], wanted: Scope) -> bool:
    return any(scope == "*" or _covers(scope, wanted) for scope in held)


def _covers(held: str, wanted: str) -> bool:
    resource, _, verb = held.partition(":")
    wanted_resource, _, wanted_verb = wanted.partition(":")
    return resource in {wanted_resource, "*"} and verb in {wanted_verb, "*"}
