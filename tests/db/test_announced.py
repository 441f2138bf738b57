"""Caches that the database keeps true: what they may believe, and for how long."""

from types import SimpleNamespace

import pytest

from app.core.ids import TenantId, new_id
from app.db import announced
from app.db.announced import BLIND_LIFETIME_S, LIVE_LIFETIME_S, AnnouncedCache, Changes

ACME, GLOBEX = TenantId(new_id()), TenantId(new_id())


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(announced, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def changes(clock):
    changes = Changes()
    changes.listener = SimpleNamespace(is_live=True)
    return changes


@pytest.fixture
def cache(changes):
    return AnnouncedCache(changes, 3)


def keep(cache, key, tenant_id=ACME, value="value"):
    cache.keep(key, tenant_id, value, generation=cache.generation)


def kept(cache, *keys):
    return [key for key in keys if cache.find(key) is not None]


class TestKeep:
    def test_is_found_until_its_time_is_up(self, cache, clock):
        keep(cache, "a")
        assert cache.find("a").value == "value"
        clock.now += LIVE_LIFETIME_S
        assert cache.find("a") is None

    def test_is_short_while_nothing_is_heard(self, cache, changes, clock):
        changes.listener.is_live = False
        keep(cache, "a")
        assert kept(cache, "a") == ["a"]
        clock.now += BLIND_LIFETIME_S
        assert kept(cache, "a") == []

    def test_is_nothing_without_a_listener(self, cache, changes):
        changes.listener = None
        keep(cache, "a")
        assert kept(cache, "a") == []

    def test_is_of_the_newest_only(self, cache):
        for key in "abcd":
            keep(cache, key)
        assert kept(cache, *"abcd") == [*"bcd"]

    def test_of_the_same_again_makes_it_the_newest(self, cache):
        for key in "abcad":
            keep(cache, key)
        assert kept(cache, *"abcd") == [*"acd"]

    @pytest.mark.parametrize("tenant_id", [ACME, GLOBEX])
    def test_is_refused_when_something_changed_while_it_was_read(self, cache, changes, tenant_id):
        generation = cache.generation
        changes._forget_tenant(str(tenant_id))
        cache.keep("a", ACME, "stale", generation=generation)
        assert kept(cache, "a") == []

    def test_is_refused_when_announcements_may_have_been_missed_meanwhile(self, cache, changes):
        generation = cache.generation
        changes._forget_all()
        cache.keep("a", ACME, "stale", generation=generation)
        assert kept(cache, "a") == []


class TestChange:
    def test_of_a_tenant_forgets_what_is_its_own_and_what_may_become_so(self, cache, changes):
        keep(cache, "ours")
        keep(cache, "theirs", GLOBEX)
        keep(cache, "nobody's", None)
        changes._forget_tenant(str(ACME))
        assert kept(cache, "ours", "theirs", "nobody's") == ["theirs"]

    def test_of_anything_forgets_all(self, cache, changes):
        keep(cache, "ours")
        keep(cache, "theirs", GLOBEX)
        changes._forget_all()
        assert kept(cache, "ours", "theirs") == []

    def test_reaches_every_cache(self, cache, changes):
        other = AnnouncedCache(changes, 3)
        keep(cache, "a")
        keep(other, "a")
        changes._forget_tenant(str(ACME))
        assert (kept(cache, "a"), kept(other, "a")) == ([], [])
