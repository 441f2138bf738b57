from typing import Literal, Self

from pydantic import Field

from app.limits.usage import end_of, start_of
from app.models import Metric, UsageCounter
from app.web.schemas import Shown, Timestamp


class UsageRead(Shown):
    """What is used up in the current period, with what processes have reserved."""

    metric: Metric
    period: Literal["day"]
    used: int
    limit: int | None = Field(description="null: unlimited.")
    remaining: int | None
    started_at: Timestamp
    resets_at: Timestamp

    @classmethod
    def of(cls, row: UsageCounter, limit: int | None) -> Self:
        return cls(
            metric=Metric(row.metric),
            period="day",
            used=row.used,
            limit=limit,
            remaining=None if limit is None else max(0, limit - row.used),
            started_at=start_of(row.day),
            resets_at=end_of(row.day),
        )
