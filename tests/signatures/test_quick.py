"""A quick yes is a yes of the engine, and the ordinary request of a quick scheme gets one."""

import hmac
import random

import pytest

from app.core.secret import Secret
from app.signatures.catalogue import preset_of, schemes
from app.signatures.deduplication import dedup_key, delivery_headers, delivery_key
from app.signatures.keys import PreparedMac
from app.signatures.quick import QuickCheck
from app.signatures.verification import verify
from tests.signatures.requests import NOW, REQUESTS, request, secrets
from tests.signatures.test_round_trips import BODY, KEYS, SECRET, SIGNED

CHANGES = (b"", b" ", b"0", b",", b"v1,", b"sha256=", b"\xff", b"\x00", b"99999999999999999999", b"-1")


class Case:
    """A genuine request of a scheme."""

    def __init__(self, name, preset, keys, headers, body, now):
        self.name, self.preset, self.keys, self.now = name, preset, keys, now
        self.headers = {key.lower(): value for key, value in headers}
        self.body = body
        self.quick = QuickCheck.of(preset, keys)

    def accepts(self, headers, body, now, quick=None):
        """What the quick check says, and what the engine says."""
        pairs = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in headers.items()]
        quickly = (quick or self.quick).accepts(dict(pairs), body, now)
        return quickly, verify(self.preset, request(pairs, body), self.keys, now).ok


def cases():
    for vector in REQUESTS:
        signed = vector.request
        yield Case(vector.scheme, vector.preset, vector.secrets, signed.headers, signed.body, vector.now)
    for name, sign in SIGNED.items():
        pairs = [(key.encode(), value.encode("latin-1")) for key, value in sign().items()]
        preset = preset_of(name, {"publicKey": "pub"} if name == "braintree" else None)
        yield Case(name, preset, secrets(KEYS.get(name, SECRET)), pairs, BODY, NOW)


CASES = [case for case in cases() if case.quick is not None]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 127, 128, 129, 500])
def test_a_prepared_key_makes_the_same_mac(digest, length):
    """As Python's own, for keys shorter and longer than a block."""
    key = bytes(number % 251 for number in range(length))
    prepared = PreparedMac(key, digest)
    for message in (b"", b"a", b"x" * 5000):
        assert prepared.digest(message) == hmac.digest(key, message, digest)


def test_half_of_all_schemes_are_quick():
    quick = {case.name for case in CASES}
    assert {"github", "slack", "standard-webhooks", "shopify", "zoom", "notion", "xero"} <= quick
    assert len(quick) >= len(schemes()) // 3


@each
class TestEachScheme:
    def test_accepts_what_its_sender_signs(self, case):
        assert case.accepts(case.headers, case.body, case.now) == (True, True)

    def test_accepts_the_previous_secret(self, case):
        quick = QuickCheck.of(case.preset, [Secret("0" * 64), *case.keys])
        assert case.accepts(case.headers, case.body, case.now, quick=quick)[0]

    def test_never_says_yes_where_the_engine_says_no(self, case):
        """Whatever is changed, in every header and in the body: a thousand ways, drawn with a fixed seed."""
        chance = random.Random(case.name)  # noqa: S311 -- to be drawn the same each time
        for _ in range(1000):
            headers, body, now = dict(case.headers), case.body, case.now
            for _ in range(chance.randint(1, 2)):
                name = chance.choice([*headers, b"body", b"now"]) if headers else b"body"
                change = chance.choice(CHANGES)
                if name == b"now":
                    now += chance.choice((-86_401, -301, -299, -1, 1, 299, 301, 86_401))
                elif name == b"body":
                    place = chance.randint(0, len(body))
                    body = body[:place] + change + body[place:]
                elif chance.random() < 0.2:
                    del headers[name]
                else:
                    value, place = headers[name], chance.randint(0, len(headers[name]))
                    cut = chance.choice((place, min(place + 1, len(value)), len(value)))
                    headers[name] = value[:place] + change + value[cut:]
            quickly, thoroughly = case.accepts(headers, body, now)
            assert thoroughly or not quickly, (headers, body, now)

    def test_needs_a_secret(self, case):
        for keys in ([], [Secret("")]):
            quick = QuickCheck.of(case.preset, keys)
            assert not case.accepts(case.headers, case.body, case.now, quick=quick)[0]

    def test_names_the_same_delivery(self, case):
        names = delivery_headers(case.preset)
        if names is None:
            return
        for more in ({}, {b"webhook-id": b" a "}, {b"idempotency-key": b"b"}, {b"webhook-id": b" "}):
            unique = {**case.headers, **more}
            pairs = [(key.decode(), value.decode("latin-1")) for key, value in unique.items()]
            assert delivery_key(names, dict(pairs)) == dedup_key(case.preset, request(pairs, case.body))
