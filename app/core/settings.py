"""Every setting, read once from ``JACKFIELD_*`` environment variables. README lists them all."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AnyHttpUrl,
    Field,
    PostgresDsn,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.boot import Misconfigured
from app.core.egress.policy import EgressPolicy
from app.core.networks import normal_network

MAX_WEBHOOK_BODY = 25 * 1024 * 1024
"""Bytes: the most that the service or a handler may set as its limit."""

CommaSeparated = Annotated[tuple[str, ...], NoDecode]
"""A list written ``a,b,c``."""


class Settings(BaseSettings):
    """The whole configuration. A field's description is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix="JACKFIELD_", extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    data: Path = Field(
        Path("data"),
        description="Folder of the embedded database and of the master key made at the first boot.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8090, ge=0, le=65535, description="Port to listen on; 0 takes a free one and prints it."
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that share the port.")
    public_url: AnyHttpUrl | None = Field(
        None,
        description="Address under which outside systems reach this service; `webhookUrl` starts with it.",
    )

    database_url: PostgresDsn | None = Field(
        None,
        description="PostgreSQL >= 15, as the application's role. Unset: embedded, in the data folder.",
    )
    worker_database_url: PostgresDsn | None = Field(
        None, description="The same database as the worker's role. Unset: `JACKFIELD_DATABASE_URL`."
    )
    admin_database_url: PostgresDsn | None = Field(
        None,
        description="The same database as a role that may create roles; only `jackfield migrate` uses it.",
    )
    pool_size: int = Field(10, ge=1, le=500, description="Database connections kept per process.")
    pool_overflow: int = Field(10, ge=0, le=500, description="Further connections opened under load.")
    pool_timeout: float = Field(5.0, gt=0, le=60, description="Seconds to wait for a connection before 503.")

    master_key: SecretStr | None = Field(
        None, description="Master key: 32 bytes in base64 or hex. Unset: `JACKFIELD_MASTER_KEY_FILE`."
    )
    master_key_file: Path | None = Field(
        None, description="File that holds the master key. Unset: `keys/master.key` in the data folder."
    )
    master_keys_also_decrypt: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Former master keys that may still open values, separated by commas."
    )

    operator_token: SecretStr | None = Field(
        None,
        min_length=32,
        description="Token that may manage tenants (scope `tenants:admin`); at least 32 characters.",
    )
    default_tenant: str | None = Field(
        None, description="Slug of the tenant that `/webhook/<handler>` means when nothing else names one."
    )
    webhook_domain: str | None = Field(
        None, description="Domain whose subdomains name tenants: `<slug>.<domain>/webhook/<handler>`."
    )

    cors_origins: CommaSeparated = Field((), description="Origins of admin frontends, separated by commas.")
    egress_allow: CommaSeparated = Field(
        (), description="CIDRs and host names that outgoing requests may reach besides public addresses."
    )
    trusted_proxies: CommaSeparated = Field(
        (),
        description="Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` "
        "are believed.",
    )

    body_limit: int = Field(1024 * 1024, ge=1024, description="Largest body of an API request, in bytes.")
    webhook_body_limit: int = Field(
        5 * 1024 * 1024, ge=1024, le=MAX_WEBHOOK_BODY, description="Largest body of a webhook, in bytes."
    )
    document_limit: int = Field(
        64 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024, description="Largest OpenAPI document, in bytes."
    )

    tenant_rate_limit: float | None = Field(
        None,
        ge=0.001,
        le=1_000_000,
        description="Webhooks per second of a tenant that has no limit of its own. Unset: unlimited.",
    )
    tenant_burst: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Webhooks of such a tenant that may come at once. Unset: those of one second.",
    )
    tenant_executions_per_day: int | None = Field(
        None,
        ge=0,
        description="Executions per day (UTC) of a tenant that has no quota of its own. Unset: unlimited.",
    )

    concurrency: int = Field(
        256, ge=1, le=10_000, description="Executions that one worker process holds at a time."
    )
    upstream_concurrency: int = Field(
        64,
        ge=1,
        le=10_000,
        description="How many of those may be one tenant's calls of one upstream.",
    )
    tenant_concurrency: int | None = Field(
        None, ge=1, le=10_000, description="How many of those may be one tenant's. Unset: all."
    )
    lease: float = Field(
        15.0,
        ge=1,
        le=300,
        description="Seconds after which what a dead worker held is done again by another.",
    )
    execution_retention_days: int = Field(
        30, ge=1, le=3650, description="Days that executions and their attempts are kept."
    )
    ingest_queue: int = Field(
        4096,
        ge=1,
        le=1_000_000,
        description="Webhooks that may wait to be stored, per process; one more is answered 503.",
    )
    poll_interval: float = Field(
        0.2, gt=0, le=60, description="Seconds between two looks for due executions."
    )
    drain_delay: float = Field(
        0.0,
        ge=0,
        le=60,
        description="Seconds at SIGTERM in which `/readyz` says 503 while requests are still accepted: "
        "what a load balancer needs to notice.",
    )
    shutdown_grace: float = Field(
        25.0, ge=0, le=600, description="Seconds that running requests get to finish at SIGTERM."
    )

    metrics_host: str = Field(
        "127.0.0.1", description="Address on which `jackfield worker` answers Prometheus."
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for that; 0 takes a free one and logs it. Unset: it does not answer.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` on a terminal and `json` elsewhere."
    )

    @field_validator(
        "cors_origins", "egress_allow", "trusted_proxies", "master_keys_also_decrypt", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _names_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A name, a typing error or ``*`` would trust nobody, or everybody, without a word."""
        return tuple(map(normal_network, value))

    @field_validator("egress_allow")
    @classmethod
    def _names_addresses_or_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        EgressPolicy(value)
        return value

    @model_validator(mode="after")
    def _worker_needs_application(self) -> Self:
        if self.worker_database_url and not self.database_url:
            raise ValueError("JACKFIELD_WORKER_DATABASE_URL is set without JACKFIELD_DATABASE_URL")
        return self

    @cached_property
    def is_embedded(self) -> bool:
        return self.database_url is None


def load(**given: object) -> Settings:
    """Settings from the environment, ``given`` (command line) first; raises ``Misconfigured``."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise Misconfigured(_first_line(error)) from None


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = "_".join(str(part) for part in first["loc"]).upper()
    return f"JACKFIELD_{place}: {first['msg']}" if place else str(first["msg"])
