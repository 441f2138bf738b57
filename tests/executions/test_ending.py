"""What follows from an attempt: success, another one later, or an end."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import clock
from app.core.egress.errors import EgressRefused, UpstreamUnreachable
from app.core.errors import Unavailable, UpstreamTimedOut
from app.executions.caller import Outcome
from app.executions.ending import decide
from app.executions.errors import ExecutionInterrupted
from app.executions.repository import Claimed
from app.executions.retry import CAP_S


def row(attempt_count=0, max_attempts=4):
    return Claimed(
        id=UUID(int=1),
        fence=1,
        integration_id=UUID(int=2),
        handler_id=UUID(int=3),
        trigger="webhook",
        method="POST",
        query="",
        headers=[],
        body=b"",
        peer=None,
        request_id=None,
        trace_parent=None,
        max_attempts=max_attempts,
        attempt_count=attempt_count,
    )


def outcome(**fields):
    return Outcome(started_at=clock.now(), duration_ms=1, **fields)


def decided(row, outcome, chance=0.5):
    return decide(row, outcome, lambda: chance)


class TestDecide:
    @pytest.mark.parametrize("fields", [{}, {"status_code": 200}, {"status_code": 299}])
    def test_ends_a_success(self, fields):
        ending = decided(row(), outcome(**fields))
        assert (ending.status, ending.reason, ending.is_final) == ("succeeded", None, True)

    @pytest.mark.parametrize(
        "fields",
        [
            {"status_code": 503},
            *({"failure": one()} for one in (UpstreamTimedOut, UpstreamUnreachable, Unavailable)),
        ],
        ids=repr,
    )
    def test_tries_again_until_the_last_attempt(self, fields):
        statuses = [decided(row(done, 3), outcome(**fields)).status for done in range(3)]
        assert statuses == ["queued", "queued", "dead"]

    @pytest.mark.parametrize("fields", [{"status_code": 404}, {"failure": EgressRefused()}], ids=repr)
    def test_fails_at_once_where_a_retry_is_no_use(self, fields):
        ending = decided(row(), outcome(**fields))
        assert (ending.status, ending.is_final) == ("failed", True)
        assert ending.reason

    def test_gives_up_at_once_what_kills_its_workers(self):
        ending = decided(row(), outcome(failure=ExecutionInterrupted()))
        assert (ending.status, ending.is_final) == ("dead", True)

    def test_waits_at_least_as_long_as_the_upstream_asks(self):
        ending = decided(row(), outcome(status_code=429, retry_after=120.0), chance=0.0)
        assert ending.due_in == timedelta(seconds=120)

    @given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
    def test_never_waits_longer_than_the_cap(self, done, chance):
        ending = decided(row(done, 10_002), outcome(status_code=500), chance)
        assert timedelta() <= ending.due_in <= timedelta(seconds=CAP_S)
