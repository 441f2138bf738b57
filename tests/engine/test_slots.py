from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import TenantId, new_id
from app.engine.circuit import FAILURES_TO_OPEN, FIRST_REST_S
from app.engine.claim import Claim
from app.engine.slots import SHARE, Limits, Slots

NOW = 1000.0
ACME, GLOBEX = TenantId(new_id()), TenantId(new_id())


def claims(number, lane=1, tenant_id=ACME):
    return [Claim(tenant_id, new_id(), 1, lane) for _ in range(number)]


def slots(total=16, per_tenant=16, per_lane=4):
    return Slots(Limits(total=total, per_tenant=per_tenant, per_lane=per_lane))


def room_of(slots, lane, now=NOW):
    """What a claim would be given of that lane at most."""
    return min(slots.free, slots.room(now).get(lane, slots.per_lane))


class TestRoom:
    def test_of_an_empty_worker_is_the_lanes_limit(self):
        assert room_of(slots(), 1) == 4

    def test_shrinks_by_what_the_lane_holds(self):
        one = slots()
        one.take(claims(3))
        assert room_of(one, 1) == 1
        assert room_of(one, 2) == 3

    def test_of_one_lane_is_a_part_of_what_is_free(self):
        one = slots(total=16, per_lane=16)
        assert room_of(one, 1) == 16 // SHARE
        one.take(claims(8))
        assert room_of(one, 1) == room_of(one, 2) == 8 // SHARE

    def test_is_at_least_one_while_any_is_free(self):
        one = slots(total=16, per_lane=16)
        one.take(claims(15))
        assert room_of(one, 2) == 1

    def test_comes_back_as_claims_end(self):
        one = slots()
        taken = claims(4)
        one.take(taken)
        assert room_of(one, 1) == 0
        for claim in taken:
            one.give_back(claim)
        assert (one.held, one.room(NOW), one.room_of_tenants()) == (0, {}, {})

    def test_of_a_lane_comes_back_when_its_calls_are_over_and_the_workers_when_they_are_stored(self):
        one = slots()
        taken = claims(4)
        one.take(taken)
        for claim in taken:
            one.end(claim)
        assert (room_of(one, 1), one.room_of_tenants(), one.calling) == (3, {}, 0)
        assert (one.held, one.free) == (4, 12)
        one.release(4)
        assert (room_of(one, 1), one.free) == (4, 16)

    def test_of_a_lane_that_is_alone_is_all_it_may_have_but_one(self):
        one = slots(total=16, per_lane=64)
        one.is_contended = False
        assert room_of(one, 1) == 15
        one.take(claims(15))
        assert room_of(one, 1) == room_of(one, 2) == 1

    def test_of_a_lane_that_is_alone_is_not_more_than_its_limit(self):
        one = slots(total=16, per_lane=4)
        one.is_contended = False
        one.take(claims(3))
        assert room_of(one, 1) == 1


class TestCircuits:
    def test_close_a_lane_and_no_other(self):
        one = slots()
        for _ in range(FAILURES_TO_OPEN):
            one.failed(1, NOW)
        assert (room_of(one, 1), room_of(one, 2)) == (0, 4)
        assert one.open_circuits(NOW) == 1

    def test_let_one_through_when_half_open(self):
        one = slots()
        for _ in range(FAILURES_TO_OPEN):
            one.failed(1, NOW)
        later = NOW + FIRST_REST_S
        assert room_of(one, 1, later) == 1
        one.take(claims(1))
        assert room_of(one, 1, later) == 0
        assert one.open_circuits(later) == 0

    def test_are_forgotten_once_closed(self):
        one = slots()
        one.failed(1, NOW)
        one.answered(1, NOW)
        one.answered(2, NOW)
        assert one.room(NOW) == {}

    def test_pause_a_lane_whose_upstream_asks_for_it(self):
        one = slots()
        one.answered(1, NOW, retry_after=9.0)
        assert room_of(one, 1, NOW + 8) == 0
        assert room_of(one, 1, NOW + 9) == 4


class TestEnd:
    """Says whether more may be had because of it."""

    def test_of_a_full_lane_makes_room(self):
        one = slots()
        taken = claims(4)
        one.take(taken)
        assert [one.end(claim) for claim in taken] == [True, False, False, False]

    def test_beside_a_full_lane_makes_none(self):
        one = slots()
        one.take(claims(4))
        other = claims(1, lane=2)
        one.take(other)
        assert not one.end(other[0])

    def test_of_a_full_tenant_makes_room(self):
        one = slots(per_tenant=2)
        taken = claims(1, lane=1) + claims(1, lane=2)
        one.take(taken)
        assert one.room_of_tenants()[ACME] == 0
        assert one.give_back(taken[0])

    def test_of_a_half_open_lane_makes_room(self):
        one = slots()
        for _ in range(FAILURES_TO_OPEN):
            one.failed(1, NOW)
        taken = claims(1)
        one.take(taken)
        assert one.end(taken[0])


class TestTenants:
    def test_are_full_alone(self):
        one = slots(per_tenant=2)
        one.take(claims(2) + claims(1, lane=7, tenant_id=GLOBEX))
        assert one.room_of_tenants()[ACME] == 0


steps = st.lists(
    st.tuples(st.sampled_from(["claim", "end", "fail", "answer"]), st.integers(1, 5), st.floats(0, 20)),
    max_size=80,
)


@given(steps, st.integers(1, 24), st.integers(1, 24))
def test_what_is_taken_as_room_allows_never_exceeds_a_limit(history, total, per_lane):
    one, now = slots(total=total, per_tenant=total, per_lane=per_lane), NOW
    held: list[Claim] = []
    for what, lane, pause in history:
        now += pause
        if what == "claim":
            taken = claims(room_of(one, lane, now), lane)
            one.take(taken)
            held += taken
        elif what == "end" and held:
            one.give_back(held.pop())
        elif what == "fail":
            one.failed(lane, now)
        else:
            one.answered(lane, now)
        assert one.held == len(held) <= total
        assert max(Counter(claim.lane for claim in held).values(), default=0) <= per_lane
        assert all(room >= 0 for room in one.room(now).values())
        assert 1 <= one.per_lane <= per_lane


@given(st.integers(SHARE, 400), st.integers(1, 400), st.integers(1, 12))
def test_lanes_that_hang_leave_something_over(total, per_lane, hanging):
    one = slots(total=total, per_lane=per_lane)
    for lane in range(hanging):
        free = one.free
        given_to_it = room_of(one, lane)
        one.take(claims(given_to_it, lane))
        assert given_to_it <= max(1, free // SHARE)
    assert one.free >= min(total * (1 - 1 / SHARE) ** hanging - hanging, total - hanging)
