from uuid import UUID

from app.core.ids import TenantId, new_id
from app.engine.claim import FIRST_LANE, LAST_LANE, Claim
from app.engine.walk import ALONE_S, SWEEP_S, Walk

NOW = 5.0  # a machine that was started just now
OLDEST = UUID(int=0)
RECENT = UUID(int=1000)
ACME = TenantId(new_id())


def claim(id=2000, lane=7):
    return Claim(ACME, UUID(int=id), 1, lane)


def walk_after_a_sweep():
    walk = Walk()
    walk.begin_round(NOW, RECENT)
    assert walk.go_on(None)
    return walk


class TestRound:
    def test_ends_when_one_step_saw_all_lanes(self):
        walk = walk_after_a_sweep()
        walk.begin_round(NOW, RECENT)
        walk.note([claim()])
        assert walk.go_on(None)
        assert walk.is_at_start

    def test_goes_on_where_a_step_stopped(self):
        walk = walk_after_a_sweep()
        walk.begin_round(NOW, RECENT)
        assert not walk.go_on(99)
        assert (walk.start, walk.is_at_start) == (99, False)

    def test_of_many_steps_that_claimed_nothing_is_followed_by_a_rest(self):
        walk = walk_after_a_sweep()
        walk.begin_round(NOW, RECENT)
        assert not walk.go_on(99)
        walk.note([])
        assert walk.go_on(None)

    def test_of_many_steps_that_claimed_something_is_followed_by_another(self):
        walk = walk_after_a_sweep()
        walk.begin_round(NOW, RECENT)
        walk.note([claim()])
        assert not walk.go_on(99)
        walk.note([])
        assert not walk.go_on(None)
        assert walk.is_at_start

    def test_goes_on_behind_the_lane_it_filled_up_with(self):
        walk = Walk()
        walk.go_on_after(7)
        assert walk.start == 8
        walk.go_on_after(LAST_LANE)
        assert walk.start == FIRST_LANE


class TestSweep:
    def test_is_the_first_round(self):
        walk = Walk()
        walk.begin_round(NOW, RECENT)
        assert walk.since == OLDEST

    def test_comes_now_and_then(self):
        walk = walk_after_a_sweep()
        seen = []
        for passed in (0, SWEEP_S, SWEEP_S + 1, SWEEP_S + 2):
            walk.begin_round(NOW + passed, RECENT)
            seen.append(walk.since)
            walk.go_on(None)
        assert seen == [RECENT, RECENT, OLDEST, RECENT]

    def test_goes_through_all_lanes(self):
        walk = Walk()
        walk.begin_round(NOW, RECENT)
        walk.go_on(99)
        assert walk.since == OLDEST

    def test_is_repeated_as_long_as_it_finds_something(self):
        walk = Walk()
        walk.begin_round(NOW, RECENT)
        walk.note([claim(), claim(id=1)])
        walk.go_on(None)
        walk.begin_round(NOW, RECENT)
        assert walk.since == OLDEST
        walk.note([claim()])
        walk.go_on(None)
        walk.begin_round(NOW, RECENT)
        assert walk.since == RECENT


class TestContended:
    def test_is_a_walk_that_has_seen_nothing(self):
        walk = Walk()
        assert walk.is_contended
        walk.begin_round(NOW, RECENT)
        assert walk.is_contended

    def test_is_not_one_whose_last_round_had_one_lane(self):
        walk = Walk()
        walk.begin_round(NOW, RECENT)
        walk.note([claim(), claim(3000)])
        assert walk.is_contended
        walk.begin_round(NOW, RECENT)
        assert not walk.is_contended

    def test_is_one_as_soon_as_there_is_a_second(self):
        walk = Walk()
        walk.begin_round(NOW, RECENT)
        walk.note([claim()])
        walk.begin_round(NOW, RECENT)
        walk.note([claim()])
        walk.note([claim(lane=8)])
        assert walk.is_contended
        walk.begin_round(NOW, RECENT)
        assert walk.is_contended

    def test_is_not_one_that_had_one_lane_a_moment_ago(self):
        walk = Walk()
        walk.begin_round(NOW, RECENT)
        walk.note([claim()])
        walk.begin_round(NOW, RECENT)
        walk.begin_round(NOW + ALONE_S / 2, RECENT)
        assert not walk.is_contended
        walk.begin_round(NOW + ALONE_S, RECENT)
        assert walk.is_contended
