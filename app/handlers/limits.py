"""Who may call a webhook, and how often."""

from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.networks import normal_network
from app.web.schemas import Definition

MAX_REQUESTS = 1_000_000
MAX_PER_S = 86_400
MAX_NETWORKS = 100


class RateLimit(Definition):
    """A token bucket: `requests` in `per` seconds on average, and up to `burst` at once."""

    requests: int = Field(ge=1, le=MAX_REQUESTS)
    per: int = Field(ge=1, le=MAX_PER_S, description="Seconds.")
    burst: int | None = Field(
        None, ge=1, le=MAX_REQUESTS, description="How many may come at once after a pause. null: `requests`."
    )

    def stored(self) -> dict[str, object]:
        return {**super().stored(), "burst": self.burst or self.requests}


def _in_order(networks: list[str]) -> list[str]:
    return sorted(set(networks))


AllowedCidrs = Annotated[
    list[Annotated[str, AfterValidator(normal_network)]],
    Field(min_length=1, max_length=MAX_NETWORKS),
    AfterValidator(_in_order),
]
"""Networks in their normal form, each once; the order means nothing."""
