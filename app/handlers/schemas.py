from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from app.core.settings import MAX_WEBHOOK_BODY
from app.handlers.limits import AllowedCidrs, RateLimit
from app.handlers.targets import Method, StoreTarget, Target
from app.handlers.verification import Verification, default_verification
from app.models import Handler, HandlerMode, HandlerSource
from app.web.schemas import Given, Shown, Timestamp


def _post_only() -> list[Method]:
    return ["POST"]


def _in_order(methods: list[Method]) -> list[Method]:
    return sorted(set(methods))


HandlerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
Summary = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2048)]
DefaultArgs = Annotated[
    dict[str, object],
    Field(
        description="What a call's arguments are laid over. `timeout` (ms) and `retries` drive the "
        "execution; values may refer to `{{credentials.KEY}}` and `{{secrets.KEY}}`."
    ),
]
Methods = Annotated[
    list[Method],
    Field(min_length=1, max_length=8, description="How the webhook may be called; the order means nothing."),
    AfterValidator(_in_order),
]
Verified = Annotated[
    Verification | None,
    Field(description="How a webhook proves its sender. null: `none` for a `store` target, else `bearer`."),
]
BodyLimit = Annotated[
    int | None,
    Field(
        strict=True,
        ge=1,
        le=MAX_WEBHOOK_BODY,
        description="Bytes of a webhook's body; null: the service's own.",
    ),
]
RawBody = Annotated[
    StrictBool,
    Field(
        description="Whether an operation is called with a webhook's body that claims to be JSON and is not. "
        "false: such a webhook is answered with 400."
    ),
]
ValidateArgs = Annotated[
    StrictBool,
    Field(
        description="Whether arguments that a synced operation's schema does not allow end a call before "
        "it is made."
    ),
]

Limited = Annotated[
    RateLimit | None,
    Field(description="How often the webhook may be called. null: as often as the tenant's may."),
]
Allowed = Annotated[
    AllowedCidrs | None,
    Field(description="Networks (IPv4, IPv6) from which the webhook may be called. null: from everywhere."),
]


class HandlerCreate(Given):
    name: HandlerName
    summary: Summary | None = None
    default_args: DefaultArgs = Field(default_factory=dict)
    mode: HandlerMode = HandlerMode.ASYNC
    methods: Methods = Field(default_factory=_post_only)
    target: Target = Field(default_factory=lambda: StoreTarget(kind="store"))
    verification: Verified = None
    body_limit: BodyLimit = None
    raw_body: RawBody = False
    validate_args: ValidateArgs = True
    rate_limit: Limited = None
    allowed_cidrs: Allowed = None
    enabled: StrictBool = True


class HandlerUpdate(Given):
    """Absent fields stay as they are; null resets what may be null."""

    name: HandlerName = ""
    summary: Summary | None = None
    default_args: DefaultArgs = Field(default_factory=dict)
    mode: HandlerMode = HandlerMode.ASYNC
    methods: Methods = Field(default_factory=list)
    target: Target = Field(default_factory=lambda: StoreTarget(kind="store"))
    verification: Verified = None
    body_limit: BodyLimit = None
    raw_body: RawBody = False
    validate_args: ValidateArgs = True
    rate_limit: Limited = None
    allowed_cidrs: Allowed = None
    enabled: StrictBool = True


class HandlerRead(Shown):
    id: UUID
    integration_id: UUID
    name: str
    summary: str | None
    default_args: dict[str, object]
    mode: HandlerMode
    methods: list[str]
    target: dict[str, object]
    verification: dict[str, object] = Field(
        description="What applies, also where it was left to the default."
    )
    body_limit: int | None
    raw_body: bool
    validate_args: bool
    rate_limit: dict[str, int] | None
    allowed_cidrs: list[str] | None
    source: HandlerSource
    enabled: bool
    webhook_url: str
    missing_since: Timestamp | None = Field(
        description="Since when the OpenAPI document lacks the operation."
    )
    orphaned_args: list[str] = Field(
        description="Default arguments whose parameter the operation no longer has."
    )
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Handler, webhooks: str) -> Self:
        """``webhooks``: the address below which the tenant's webhooks are."""
        fields = {name: getattr(row, name) for name in PLAIN}
        verification = row.verification or default_verification(str(row.target["kind"])).stored()
        return cls(**fields, verification=verification, webhook_url=f"{webhooks}/{row.name}")


PLAIN = (
    "id",
    "integration_id",
    "name",
    "summary",
    "default_args",
    "mode",
    "methods",
    "target",
    "body_limit",
    "raw_body",
    "validate_args",
    "rate_limit",
    "allowed_cidrs",
    "source",
    "enabled",
    "missing_since",
    "orphaned_args",
    "created_at",
    "updated_at",
)
