"""What is fetched, how often, and what is believed for how long."""

import asyncio
import re

import pytest

from app.core.egress.errors import EgressRefused, UpstreamRefused, UpstreamUnreachable
from app.core.egress.fetch import Fetched
from app.core.errors import UpstreamTimedOut
from app.signatures.errors import SigningKeyUnavailable
from app.signatures.key_source import FETCHES_PER_MINUTE, MAX_DOCUMENTS, FetchedKeys, host_of
from app.signatures.verdict import Reason, Refused

pytestmark = pytest.mark.anyio

URL = "https://keys.example/jwks"
HOSTS = re.compile(r"keys\.example")


class Network:
    """Stands where the guarded client does: answers from a list, the last one again and again."""

    def __init__(self, *answers):
        self.answers = [*answers]
        self.asked = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url, *, max_bytes, timeout_s, max_redirects):
        assert max_redirects == 0
        self.asked.append(url)
        await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Fetched(status=200, url=url, etag=None, last_modified=None, content_type=None, body=answer)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def source(*answers):
    clock, network = Clock(), Network(*answers)
    return FetchedKeys(network, clock), network, clock


def refusal(status):
    return UpstreamRefused("no", extra={"upstreamStatus": status})


class TestDocument:
    async def test_is_believed_for_ten_minutes(self):
        keys, network, clock = source(b"1", b"2")
        assert [await keys.document(URL, HOSTS), await keys.document(URL, HOSTS)] == [b"1", b"1"]
        clock.now += 599
        assert await keys.document(URL, HOSTS) == b"1"
        clock.now += 1
        assert await keys.document(URL, HOSTS) == b"2"
        assert len(network.asked) == 2

    async def test_is_fetched_anew_at_most_once_a_minute(self):
        keys, network, clock = source(b"1", b"2", b"3")
        for _ in range(5):
            assert await keys.document(URL, HOSTS, newer=True) == b"1"
        clock.now += 60
        for _ in range(5):
            assert await keys.document(URL, HOSTS, newer=True) == b"2"
        assert len(network.asked) == 2

    @pytest.mark.parametrize("error", [refusal(404), refusal(301), EgressRefused("no")])
    async def test_that_is_not_there_is_not_asked_for_again(self, error):
        keys, network, clock = source(error, b"1")
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await keys.document(URL, HOSTS)
            assert refused.value.reason == Reason.MISMATCH
        assert len(network.asked) == 1
        clock.now += 600
        assert await keys.document(URL, HOSTS) == b"1"

    @pytest.mark.parametrize(
        "error", [refusal(500), refusal(429), UpstreamTimedOut("late"), UpstreamUnreachable("away")]
    )
    async def test_that_cannot_be_had_now_is_tried_again_soon(self, error):
        keys, network, clock = source(error, b"1")
        for _ in range(3):
            with pytest.raises(SigningKeyUnavailable):
                await keys.document(URL, HOSTS)
        assert len(network.asked) == 1
        clock.now += 10
        assert await keys.document(URL, HOSTS) == b"1"

    async def test_outlives_a_failure_to_look_for_a_newer_one(self):
        keys, network, clock = source(b"1", UpstreamTimedOut("late"), b"2")
        await keys.document(URL, HOSTS)
        clock.now += 60
        for _ in range(3):
            with pytest.raises(SigningKeyUnavailable):
                await keys.document(URL, HOSTS, newer=True)
            assert await keys.document(URL, HOSTS) == b"1"
        assert len(network.asked) == 2
        clock.now += 60
        assert await keys.document(URL, HOSTS, newer=True) == b"2"

    async def test_is_fetched_once_for_all_who_wait(self):
        keys, network, _ = source(b"1")
        network.gate.clear()
        waiting = [asyncio.create_task(keys.document(URL, HOSTS)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        network.gate.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert done[1:] == [b"1"] * 4
        assert len(network.asked) == 1

    @pytest.mark.parametrize(
        "url",
        [
            "http://keys.example/jwks",
            "https://keys.example.evil.example/jwks",
            "https://evilkeys.example/jwks",
            "https://keys.example:444/jwks",
            "https://user@keys.example/jwks",
            "https://keys.example/" + "x" * 2048,
            "https://[/",
            "",
        ],
    )
    async def test_is_never_fetched_from_elsewhere(self, url):
        keys, network, _ = source(b"1")
        with pytest.raises(Refused) as refused:
            await keys.document(url, HOSTS)
        assert refused.value.reason == Reason.MALFORMED
        assert network.asked == []

    async def test_of_made_up_addresses_is_fetched_a_bounded_number_of_times(self):
        keys, network, clock = source(refusal(404))
        for number in range(FETCHES_PER_MINUTE + 5):
            with pytest.raises((Refused, SigningKeyUnavailable)):
                await keys.document(f"{URL}{number}", HOSTS)
        assert len(network.asked) == FETCHES_PER_MINUTE
        clock.now += 60
        with pytest.raises(Refused):
            await keys.document(f"{URL}x", HOSTS)

    async def test_takes_a_bounded_amount_of_memory(self):
        keys, _, clock = source(b"1")
        for number in range(MAX_DOCUMENTS + 10):
            clock.now += 3
            await keys.document(f"{URL}{number}", HOSTS)
        assert len(keys._entries) == MAX_DOCUMENTS
        assert keys._fetching == {}


def test_a_host_is_compared_in_lower_case():
    assert host_of("https://KEYS.example:443/x") == "keys.example"
    assert host_of("https:///x") is None
