import pytest

from app.core.errors import AppError, NotFound, UpstreamTimedOut
from app.executions.errors import AdmissionQueueFull, ArgumentInvalid
from app.ingest.errors import NotVerified
from app.ingest.metrics import REASONS, admitted, refused
from app.limits.errors import QuotaExceeded, RateLimited
from app.signatures.verdict import Reason
from tests.fixtures.series import value


class MadeUp(AppError):
    """Nobody knows this."""


def refusals() -> dict[str, float]:
    return {reason: value("jackfield_webhooks_refused_total", reason=reason) for reason in REASONS}


class TestAdmitted:
    def test_tells_the_first_delivery_from_the_next(self):
        names = ("jackfield_webhooks_accepted_total", "jackfield_webhooks_duplicate_total")
        accepted, duplicate = map(value, names)
        admitted(is_new=True)
        admitted(is_new=False)
        admitted(is_new=True)
        assert [*map(value, names)] == [accepted + 2, duplicate + 1]


class TestRefused:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (NotVerified(Reason.STALE), "stale"),
            (NotFound(), "not_found"),
            (RateLimited(), "rate_limited"),
            (QuotaExceeded(), "quota_exceeded"),
            (AdmissionQueueFull(), "admission_queue_full"),
            (MadeUp(), "other"),
            (AppError(), "other"),
        ],
        ids=lambda given: given if isinstance(given, str) else type(given).__name__,
    )
    def test_is_counted_by_a_word_of_ours(self, error, reason):
        before = refusals()
        refused(error)
        assert refusals() == {**before, reason: before[reason] + 1}

    @pytest.mark.parametrize("error", [UpstreamTimedOut, ArgumentInvalid])
    def test_does_not_count_what_was_admitted_first(self, error):
        before = refusals()
        refused(error(extra={"executionId": "01a203b8-b0e4-760b-bf6b-da3316e177b0"}))
        assert refusals() == before
