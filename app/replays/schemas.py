from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from app.executions.repository import ExecutionFilter
from app.executions.schemas import Reason
from app.models import ReplayStatus, Trigger
from app.web.schemas import Given, Moment, Shown, Timestamp

DEFAULT_RATE = 100
HIGHEST_RATE = 1000

Ended = Literal["succeeded", "failed", "dead", "cancelled"]
"""What still waits or runs is not replayed: it will be done anyway."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _in_order(statuses: list[Ended]) -> list[Ended]:
    return sorted({*statuses})


def _unsuccessful() -> list[Ended]:
    return ["dead", "failed"]


Statuses = Annotated[
    list[Ended],
    Field(min_length=1, max_length=4),
    BeforeValidator(_as_list, json_schema_input_type=Ended | list[Ended]),
    AfterValidator(_in_order),
]


class ReplayFilter(Given):
    """Which executions to replay: at least `from`, `integrationId` or `handlerId` has to be there."""

    integration_id: UUID | None = None
    handler_id: UUID | None = None
    status: Statuses = Field(
        default_factory=_unsuccessful, description="One or several. `failed` and `dead` where it is left out."
    )
    trigger: Trigger | None = None
    reason: Reason | None = Field(None, description="How `statusReason` begins.")
    since: Moment | None = Field(None, alias="from", description="The first moment of creation.")
    until: Moment | None = Field(None, alias="to", description="The moment before which they were created.")

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.since is None and self.integration_id is None and self.handler_id is None:
            raise ValueError("Needs from, integrationId or handlerId.")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("from has to be before to.")
        return self

    def executions(self) -> ExecutionFilter:
        """All of it but the statuses."""
        return ExecutionFilter(
            integration_id=self.integration_id,
            handler_id=self.handler_id,
            trigger=self.trigger,
            reason=self.reason,
            since=self.since,
            until=self.until,
        )

    def stored(self) -> dict[str, object]:
        """As JSON, which ``model_validate`` makes a filter of again."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ReplayCreate(Given):
    filter: ReplayFilter
    rate_per_second: int = Field(
        DEFAULT_RATE,
        strict=True,
        ge=1,
        le=HIGHEST_RATE,
        description="New executions per second at most; fewer while much waits for the same upstream.",
    )


class ReplayRead(Shown):
    """`replayed` and `skipped` grow until they add up to `matched`."""

    id: UUID
    status: ReplayStatus
    filter: dict[str, JsonValue]
    rate_per_second: int
    matched: int
    replayed: int
    skipped: int
    created_at: Timestamp
    finished_at: Timestamp | None
