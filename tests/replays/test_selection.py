from app.core.ids import new_id
from app.replays.selection import MAX_BYTES, Candidate, take

ONE, OTHER, GONE = new_id(), new_id(), new_id()
LANES = {ONE: 1, OTHER: 2}


def candidates(*handlers, size=1):
    return [Candidate(new_id(), handler, size) for handler in handlers]


class TestTake:
    def test_takes_all_that_find_room(self):
        found = candidates(ONE, OTHER, ONE)
        assert take(found, LANES, {1: 2, 2: 1}) == found

    def test_stops_at_the_first_whose_lane_is_full(self):
        """What comes after it waits too, for the cursor can be at one place only."""
        found = candidates(ONE, OTHER, ONE, OTHER)
        assert take(found, LANES, {1: 1, 2: 5}) == found[:2]

    def test_takes_nothing_while_the_first_finds_no_room(self):
        assert take(candidates(ONE, OTHER), LANES, {1: 0, 2: 5}) == []

    def test_needs_no_room_for_what_will_be_skipped(self):
        found = candidates(GONE, ONE, GONE)
        assert take(found, LANES, {1: 1, 2: 0}) == found

    def test_reads_no_more_than_memory_allows(self):
        found = candidates(ONE, ONE, ONE, size=MAX_BYTES // 2)
        assert take(found, LANES, {1: 9, 2: 9}) == found[:2]

    def test_takes_one_that_is_too_large_for_any_company(self):
        found = candidates(ONE, ONE, size=MAX_BYTES + 1)
        assert take(found, LANES, {1: 9, 2: 9}) == found[:1]

    def test_counts_no_bytes_of_what_will_be_skipped(self):
        found = candidates(GONE, ONE, size=MAX_BYTES)
        assert take(found, LANES, {1: 9, 2: 9}) == found

    def test_takes_nothing_of_nothing(self):
        assert take([], {}, {}) == []
