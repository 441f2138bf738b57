"""What an operator allows a tenant; where nothing is said, the service's own settings hold."""

from pydantic import Field

from app.web.schemas import Given, Shown

MAX_RATE = 1_000_000
MAX_EXECUTIONS = 1_000_000_000_000


class TenantLimits(Given):
    """All of a tenant's limits. A field that is absent or null is left to the service."""

    webhooks_per_second: float | None = Field(
        None, strict=True, ge=0.001, le=MAX_RATE, description="Of all its handlers together, on average."
    )
    burst: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=MAX_RATE,
        description="Webhooks that may come at once after a pause. null: those of one second.",
    )
    executions_per_day: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=MAX_EXECUTIONS,
        description="Executions that webhooks start in a day (UTC).",
    )

    def stored(self) -> dict[str, object] | None:
        """As the column keeps it: what was said, or None."""
        return self.model_dump(by_alias=True, exclude_none=True) or None


class TenantLimitsRead(Shown):
    webhooks_per_second: float | None = None
    burst: int | None = None
    executions_per_day: int | None = None
