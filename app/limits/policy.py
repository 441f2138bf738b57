"""The limits of one webhook address, made when its route is loaded, so that a request only counts down."""

from dataclasses import dataclass

from app.core.networks import Networks
from app.limits.errors import AddressNotAllowed
from app.limits.meters import DayMeter, Meter


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Limits:
    meters: tuple[Meter, ...]
    """Each request takes a token of each. Routes of one tenant share the tenant's."""
    day: DayMeter
    """The one of the meters that counts executions."""
    allowed: Networks | None = None

    def check_address(self, peer: str | None) -> None:
        """Raises ``AddressNotAllowed``. Costs no look-up: call it first of all."""
        if self.allowed is not None and peer not in self.allowed:
            raise AddressNotAllowed

    def uncount(self) -> None:
        """The request started no execution after all: it was a repeated delivery, or could not be stored."""
        self.day.tokens += 1
