from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StrictBool, StringConstraints, model_validator

from app.db.base import Json
from app.models import SyncOutcome, SyncSchedule
from app.openapi_sync.changes import Action
from app.openapi_sync.options import Apply, OnMissing
from app.openapi_sync.schemas import CriteriaGiven, DifferenceRead, IntegrationName, MissingPolicy
from app.sync_schedules.timing import DAY_S, LEAST_S, MOST_S
from app.web.schemas import Given, Shown, Timestamp

Address = Annotated[
    str,
    # Without user and password, for it is shown again.
    StringConstraints(pattern=r"^https?://[^/?#@\\\s]+([/?#][^\s]*)?$", max_length=8192),
    Field(description="The absolute address of the document. No credentials are sent to it."),
]
Reach = Annotated[
    Apply,
    Field(
        description="`additive` leaves changes that may break callers to a person, `none` leaves everything."
    ),
]
OF_A_SYNC = {"integration_name", "include", "exclude", "on_missing"}


class SyncScheduleGiven(Given):
    """Either ``integrationName`` or ``url`` says where the document is."""

    integration_name: IntegrationName | None = None
    url: Address | None = None
    include: CriteriaGiven = Field(default_factory=CriteriaGiven)
    exclude: CriteriaGiven = Field(default_factory=CriteriaGiven)
    on_missing: MissingPolicy = OnMissing.KEEP
    interval_seconds: int = Field(
        DAY_S, strict=True, ge=LEAST_S, le=MOST_S, description="A tenth more or less, by chance."
    )
    apply: Reach = Apply.ADDITIVE
    enabled: StrictBool = True

    @model_validator(mode="after")
    def _names_one_address(self) -> Self:
        if (self.integration_name is None) == (self.url is None):
            raise ValueError("give either integrationName or url")
        return self

    def stored(self) -> Json:
        """What a sync is asked for, as JSON, but for the address."""
        return self.model_dump(mode="json", by_alias=True, include=OF_A_SYNC, exclude_none=True)


class HeldRead(Shown):
    """A change that waits for a person; ``id`` is null where a handler would be made."""

    id: UUID | None
    name: str
    method: str
    path: str
    action: Action
    differences: list[DifferenceRead] = Field(
        description="From the document that the handler last agreed with; not all where they are many."
    )


class RunError(Shown):
    """Why the last run failed, or why a document was held as a whole."""

    code: str
    detail: str
    upstream_status: int | None = None
    line: int | None = None
    column: int | None = None


class SyncScheduleRead(Shown):
    integration_id: UUID
    integration_name: str | None
    url: str | None = Field(description="Without its query, which may hold a key.")
    include: CriteriaGiven
    exclude: CriteriaGiven
    on_missing: OnMissing
    interval_seconds: int
    apply: Apply
    enabled: bool
    next_run_at: Timestamp | None
    last_run_at: Timestamp | None
    last_outcome: SyncOutcome | None
    last_error: RunError | None
    consecutive_failures: int
    held: list[HeldRead]
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: SyncSchedule) -> Self:
        asked = {"integrationName": None, **row.request}
        return cls.model_validate(
            {
                **{column: getattr(row, column) for column in cls.model_fields if hasattr(row, column)},
                **asked,
                "url": row.source,
                "next_run_at": row.due_at,
            }
        )
