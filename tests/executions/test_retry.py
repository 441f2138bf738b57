import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.egress.errors import EgressRefused, ForbiddenHeader, UpstreamMalformed, UpstreamUnreachable
from app.core.errors import Unprocessable, UpstreamTimedOut
from app.executions.retry import CAP_S, RETRY_AFTER_CAP_S, delay, is_retryable, parse_retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


class TestIsRetryable:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 520, 599])
    def test_for_what_may_pass(self, status):
        assert is_retryable(status)

    @pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 403, 404, 409, 410, 413, 422, 428, 600])
    def test_not_for_what_stays(self, status):
        assert not is_retryable(status)

    @pytest.mark.parametrize("error", [UpstreamTimedOut(), UpstreamUnreachable(), UpstreamMalformed()])
    def test_when_no_answer_came(self, error):
        assert is_retryable(error)

    @pytest.mark.parametrize("error", [EgressRefused(), ForbiddenHeader(), Unprocessable(), ValueError()])
    def test_not_when_the_request_could_not_be_sent(self, error):
        assert not is_retryable(error)


class TestDelay:
    @pytest.mark.parametrize(
        ("attempt", "bound"), [(1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (5_000, 900)]
    )
    def test_doubles_its_bound_up_to_a_quarter_of_an_hour(self, attempt, bound):
        assert delay(attempt, None, lambda: 1.0) == bound
        assert delay(attempt, None, lambda: 0.5) == bound / 2
        assert delay(attempt, None, lambda: 0.0) == 0

    def test_waits_for_retry_after_first(self):
        assert delay(1, 60.0, lambda: 0.0) == 60
        assert delay(3, 60.0, lambda: 0.5) == 62

    @given(
        st.integers(min_value=1, max_value=10_000),
        st.none() | st.floats(min_value=0, max_value=RETRY_AFTER_CAP_S),
        st.floats(min_value=0, max_value=1, exclude_max=True),
    )
    def test_is_bounded_both_ways(self, attempt, retry_after, chance):
        floor = retry_after or 0
        assert floor <= delay(attempt, retry_after, lambda: chance) <= floor + CAP_S


class TestParseRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("86400", 3600),
            ("9" * 20, 3600),
            ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
            ("Tue, 14 Nov 2023 22:13:20 GMT", 0),
            ("Tue, 14 Nov 2023 20:00:00 GMT", 0),
            ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
        ],
    )
    def test_reads_seconds_and_dates(self, value, seconds):
        assert parse_retry_after(value, NOW) == seconds

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "",
            "soon",
            "-1",
            "1.5",
            "1e3",
            "٣",
            "9" * 5_000,
            "2023-11-14T22:14:20Z",
            "Tuesday, 14-Nov-23 22:14:20 GMT",
            "Tue, 14 Nov 2023 22:14:20 +0100",
            "Tue, 99 Nov 2023 22:14:20 GMT",
        ],
    )
    def test_knows_nothing_of_other_forms(self, value):
        assert parse_retry_after(value, NOW) is None
