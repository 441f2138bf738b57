from hypothesis import given
from hypothesis import strategies as st

from app.engine.circuit import FAILURES_TO_OPEN, FIRST_REST_S, LONGEST_ASKED_S, LONGEST_REST_S, Circuit

NOW = 1000.0


def opened(now=NOW):
    circuit = Circuit()
    for _ in range(FAILURES_TO_OPEN):
        circuit.failed(now)
    return circuit


class TestClosed:
    def test_allows_any_number(self):
        assert Circuit().allows(NOW) is None

    def test_bears_a_few_failures(self):
        circuit = Circuit()
        for _ in range(FAILURES_TO_OPEN - 1):
            circuit.failed(NOW)
        assert circuit.allows(NOW) is None

    def test_counts_only_failures_in_a_row(self):
        circuit = Circuit()
        for _ in range(FAILURES_TO_OPEN * 3):
            circuit.failed(NOW)
            circuit.answered(NOW)
        assert circuit == Circuit()


class TestOpen:
    def test_allows_nothing_until_its_rest_is_over(self):
        circuit = opened()
        assert circuit.allows(NOW) == 0
        assert circuit.allows(NOW + FIRST_REST_S - 0.001) == 0
        assert circuit.allows(NOW + FIRST_REST_S) == 1

    def test_is_not_prolonged_by_what_was_under_way(self):
        circuit = opened()
        for _ in range(50):
            circuit.failed(NOW + 1)
        assert circuit.allows(NOW + FIRST_REST_S) == 1

    def test_rests_out_even_if_a_late_answer_arrives(self):
        circuit = opened()
        circuit.answered(NOW + 1)
        assert circuit.allows(NOW + 1) == 0
        assert circuit.allows(NOW + FIRST_REST_S) is None

    def test_rests_twice_as_long_each_time_up_to_a_limit(self):
        circuit, now, rests = opened(), NOW, []
        for _ in range(20):
            rests.append(circuit.rests_until - now)
            now = circuit.rests_until
            circuit.failed(now)
        assert rests[:4] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S, 8 * FIRST_REST_S]
        assert rests[-1] == LONGEST_REST_S == max(rests)


class TestHalfOpen:
    def test_closes_with_one_answer(self):
        circuit = opened()
        now = circuit.rests_until
        circuit.answered(now)
        assert circuit == Circuit()

    def test_opens_with_one_failure(self):
        circuit = opened()
        now = circuit.rests_until
        assert circuit.allows(now) == 1
        circuit.failed(now)
        assert circuit.allows(now) == 0


class TestRetryAfter:
    def test_pauses_a_lane_that_answers(self):
        circuit = Circuit()
        circuit.answered(NOW, retry_after=7.0)
        assert circuit.allows(NOW + 6.9) == 0
        assert circuit.allows(NOW + 7.0) is None

    def test_is_heard_up_to_a_limit(self):
        circuit = Circuit()
        circuit.answered(NOW, retry_after=3600.0)
        assert circuit.rests_until == NOW + LONGEST_ASKED_S

    def test_never_shortens_a_pause(self):
        circuit = Circuit()
        circuit.answered(NOW, retry_after=30.0)
        circuit.answered(NOW + 1, retry_after=2.0)
        circuit.answered(NOW + 1)
        assert circuit.rests_until == NOW + 30

    def test_of_nothing_is_no_pause(self):
        circuit = Circuit()
        circuit.answered(NOW, retry_after=0.0)
        assert circuit == Circuit()

    def test_does_not_hide_failures(self):
        circuit = Circuit()
        circuit.answered(NOW, retry_after=30.0)
        for _ in range(FAILURES_TO_OPEN):
            circuit.failed(NOW + 1)
        assert not circuit.is_closed
        assert circuit.allows(NOW + 30) in {0, 1}


events = st.lists(
    st.tuples(st.floats(0, 400), st.sampled_from(["failed", "answered"]), st.none() | st.floats(0, 10_000)),
    max_size=60,
)


@given(events)
def test_a_circuit_always_comes_back_and_one_answer_then_closes_it(history):
    circuit, now = Circuit(), NOW
    for pause, what, retry_after in history:
        now += pause
        if what == "failed":
            circuit.failed(now)
        else:
            circuit.answered(now, retry_after)
        assert circuit.rests_until - now <= LONGEST_REST_S
        assert circuit.failures >= 0
    later = now + LONGEST_REST_S
    assert circuit.allows(later) in {1, None}
    circuit.answered(later)
    assert circuit == Circuit()
