"""Where a worker is on its rounds through the lanes, and how far back it looks. Pure."""

import math
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.engine.claim import FIRST_LANE, LAST_LANE, Claim

SWEEP_S: Final = 30.0
"""Nearly all that is due is recent; what is older is looked for this often, and as long as some is found."""

ALONE_S: Final = 1.0
"""For so long a round that one lane alone gave work to says that it will be so again."""

_OLDEST: Final = UUID(int=0)


class Walk:
    """A round leads from the first lane to the last, in as many steps as it takes; each looks as far back.

    ``start``: the lane of the next step; ``since``: the oldest id that this round looks at.
    """

    def __init__(self) -> None:
        self.start = FIRST_LANE
        self.since = _OLDEST
        self._recent = _OLDEST
        self._swept = -math.inf
        self._has_claimed = False
        self._has_claimed_old = False
        self._lanes: set[int] = set()
        self._alone_until = -math.inf
        self.is_contended = True
        """False while one lane alone gives work: nobody who waits could have what it is given."""

    @property
    def is_at_start(self) -> bool:
        return self.start == FIRST_LANE

    def begin_round(self, now: float, recent: UUID) -> None:
        """``now``: monotonic, in seconds; ``recent``: the smallest id of what is no longer old."""
        is_sweep = self._has_claimed_old or now - self._swept > SWEEP_S
        if is_sweep:
            self._swept = now
        self.since = _OLDEST if is_sweep else recent
        self._recent = recent
        self._has_claimed = self._has_claimed_old = False
        if self._lanes:
            self._alone_until = now + ALONE_S if len(self._lanes) == 1 else -math.inf
            self._lanes.clear()
        self.is_contended = now >= self._alone_until

    def note(self, claims: Sequence[Claim]) -> None:
        self._has_claimed |= bool(claims)
        self._lanes.update(claim.lane for claim in claims)
        self.is_contended |= len(self._lanes) > 1
        self._has_claimed_old |= any(claim.id < self._recent for claim in claims)

    def go_on_after(self, lane: int) -> None:
        """The next step begins behind this lane."""
        self.start = lane + 1 if lane < LAST_LANE else FIRST_LANE

    def go_on(self, following: int | None) -> bool:
        """To that lane, None after the last one; whether there is nothing more to be had for now.

        A round of several steps that claimed anything is followed by another: its first lanes were seen long
        ago. One that claimed nothing is not, or a worker would never rest while many lanes wait for a retry.
        """
        is_whole = self.is_at_start
        self.start = FIRST_LANE if following is None else following
        return following is None and (is_whole or not self._has_claimed)
