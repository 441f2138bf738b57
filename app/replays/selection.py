"""Which executions one turn takes: as many as memory and their upstreams have room for. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from uuid import UUID

MAX_BYTES: Final = 8 * 1024 * 1024
"""Of bodies that one turn reads; one that is larger is a turn of its own."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An execution that is to be replayed. ``size``: bytes of its body."""

    id: UUID
    handler_id: UUID
    size: int


def take(
    candidates: Sequence[Candidate], lanes: Mapping[UUID, int], room: Mapping[int, int]
) -> Sequence[Candidate]:
    """The first of them, up to the one that finds no room, so that a cursor can tell where to go on.

    ``lanes``: by handler; one without a lane is to be skipped and needs no room. ``room``: by lane, how many
    more may wait there.
    """
    sizes = accumulate(candidate.size for candidate in candidates if candidate.handler_id in lanes)
    left = dict(room)
    for number, candidate in enumerate(candidates):
        lane = lanes.get(candidate.handler_id)
        if lane is None:
            continue
        is_too_much = next(sizes) > MAX_BYTES and number > 0
        if is_too_much or left[lane] <= 0:
            return candidates[:number]
        left[lane] -= 1
    return candidates
