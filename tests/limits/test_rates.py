import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.settings import Settings
from app.limits.rates import (
    LEASE_S,
    Rate,
    limits_of_tenant,
    next_lease,
    quota_of_tenant,
    rate_of_handler,
    rate_of_tenant,
    share_of_quota,
)

COUNTS = st.integers(0, 10**9)


class TestRate:
    def test_of_a_handler_is_what_it_says(self):
        assert rate_of_handler(None) is None
        assert rate_of_handler({"requests": 6, "per": 60, "burst": 2}) == Rate(6, 60, 2)

    @pytest.mark.parametrize(
        ("limits", "settings", "expected"),
        [
            ({}, {}, None),
            ({}, {"tenant_burst": 7}, None),
            ({}, {"tenant_rate_limit": 2.5}, Rate(2.5, 1, 3)),
            ({}, {"tenant_rate_limit": 2.5, "tenant_burst": 7}, Rate(2.5, 1, 7)),
            ({"burst": 9}, {"tenant_rate_limit": 2.5, "tenant_burst": 7}, Rate(2.5, 1, 9)),
            ({"webhooksPerSecond": 0.1}, {"tenant_rate_limit": 2, "tenant_burst": 7}, Rate(0.1, 1, 1)),
            ({"webhooksPerSecond": 4.0, "burst": 40}, {"tenant_rate_limit": 2}, Rate(4, 1, 40)),
        ],
    )
    def test_of_a_tenant_comes_before_the_services(self, limits, settings, expected):
        given = Settings(_env_file=None, **settings)
        assert rate_of_tenant(limits_of_tenant(limits or None), given) == expected

    @pytest.mark.parametrize(
        ("limits", "own", "expected"),
        [({}, None, None), ({}, 5, 5), ({"executionsPerDay": 0}, 5, 0), ({"executionsPerDay": 9}, None, 9)],
    )
    def test_quota_too(self, limits, own, expected):
        settings = Settings(_env_file=None, tenant_executions_per_day=own)
        assert quota_of_tenant(limits_of_tenant(limits), settings) == expected


class TestNextLease:
    @given(COUNTS, st.integers(0, 10**9), st.floats(0, 1e6))
    def test_is_one_at_least_and_twice_the_last_at_most(self, size, spent, took):
        assert 1 <= next_lease(size, spent, took, LEASE_S) <= max(1, 2 * size)

    @pytest.mark.parametrize(
        ("size", "spent", "took", "expected"),
        [
            (100, 100, 1.0, 100),
            (100, 100, 0.9, 112),
            (100, 100, 0.1, 200),
            (100, 10, 1.0, 10),
            (8, 0, 9.0, 1),
        ],
    )
    def test_follows_the_traffic(self, size, spent, took, expected):
        assert next_lease(size, spent, took, LEASE_S) == expected


class TestShareOfQuota:
    @given(st.integers(1, 10**12), st.integers(-(10**6), 10**12))
    def test_is_never_more_than_what_is_left(self, wanted, left):
        share = share_of_quota(wanted, left)
        assert 0 <= share <= max(0, left)
        assert share <= max(1, left // 32)
        assert share > 0 or left <= 0

    @given(st.integers(0, 10**6), st.integers(1, 8))
    def test_uses_a_quota_up_to_the_last(self, limit, processes):
        left = limit
        while share := share_of_quota(10**9, left):
            left -= share
        assert left == 0
