"""What a tenant is told of a request, and what nobody is told."""

import hashlib
import hmac
import json

import pytest

from app.handlers.verification import VERIFICATION
from app.signatures.catalogue import preset_of
from app.signatures.explanation import explain, explain_with_keys
from app.signatures.verdict import Reason
from tests.signatures.published import Published
from tests.signatures.requests import NOW, REQUESTS, request, secrets

SECRET = "a-very-secret-secret"


def stripe(secret=SECRET, body=b'{"id":"1"}', at=NOW):
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    return request({"Stripe-Signature": f"t={at},v1={signature}"}, body)


def told(asked, scheme="stripe", *, current=(SECRET,), previous=(), now=NOW):
    return explain(preset_of(scheme), asked, secrets(*current), secrets(*previous), now)


class TestExplain:
    def test_tells_which_secret_matched_and_how_old_the_signature_is(self):
        given = told(stripe(), now=NOW + 7)
        assert (given.ok, given.code, given.matched, given.age) == (True, None, "current", 7)
        assert given.read == ("the header Stripe-Signature",)
        assert given.message == f'{NOW}.{{"id":"1"}}'

    def test_tells_when_only_the_previous_secret_matches(self):
        given = told(stripe(), current=("new",), previous=(SECRET,))
        assert (given.ok, given.matched) == (True, "previous")
        assert "previous" in given.what

    @pytest.mark.parametrize(
        ("asked", "code", "words"),
        [
            (request({}), Reason.MISSING_HEADER, "header Stripe-Signature was not sent"),
            (request({"Stripe-Signature": "v1=00"}), Reason.MALFORMED, "'t='"),
            (request({"Stripe-Signature": "t=soon,v1=00"}), Reason.MALFORMED, "timestamp"),
            (request([("Stripe-Signature", "t=1,v1=00")] * 2), Reason.MALFORMED, "more than once"),
            (request({"Stripe-Signature": "t=1,v1=xy"}), Reason.BAD_ENCODING, "not valid hex"),
            (request({"Stripe-Signature": "t=1,v1=00"}), Reason.MISMATCH, "another body"),
            (stripe(at=NOW - 1000), Reason.STALE, "1000 s ago; 300 s are allowed"),
            (stripe(at=NOW + 1000), Reason.STALE, "1000 s in the future"),
        ],
    )
    def test_says_in_a_sentence_what_is_wrong(self, asked, code, words):
        given = told(asked)
        assert (given.ok, given.code) == (False, code)
        assert words in given.what
        assert given.what.endswith(".")

    def test_says_when_there_is_no_secret(self):
        assert told(stripe(), current=()).code == Reason.NO_SECRET

    def test_shows_the_beginning_of_a_long_message(self):
        given = told(stripe(body=b"x" * 10_000))
        assert given.message.endswith("…")
        assert len(given.message) < 600

    # The documented request of Twilio holds its secret, 12345, within the id of a call.
    @pytest.mark.parametrize(
        "vector",
        [vector for vector in REQUESTS if vector.scheme != "twilio"],
        ids=lambda vector: vector.scheme,
    )
    def test_shows_no_secret_and_no_right_signature(self, vector):
        """Neither of a request that was forged nor of one that is right."""
        forged = vector.request.headers and request({}, vector.request.body, url=vector.request.url)
        for asked in filter(None, (vector.request, forged)):
            given = explain(vector.preset, asked, vector.secrets, [], vector.now)
            shown = json.dumps([given.what, given.read, given.message])
            assert vector.secrets[0].reveal() not in shown

    def test_shows_no_secret_that_is_part_of_the_message(self):
        signed = hashlib.sha256(SECRET.encode() + b"body").hexdigest()
        given = told(request({"X-HubSpot-Signature": signed}, b"body"), "hubspot-v1")
        assert given.ok
        assert given.message == "[secret]body"

    def test_shows_no_message_where_a_secret_is_sent(self):
        given = told(request({"X-Gitlab-Token": "guess"}), "gitlab-token")
        assert (given.code, given.message) == (Reason.MISMATCH, None)
        assert "guess" not in repr(given)

    def test_tells_of_an_access_token_no_more_than_that(self):
        preset = VERIFICATION.validate_python({"scheme": "bearer"}).preset()
        assert not explain(preset, request({"Authorization": "Bearer x"}), [], [], NOW).ok


class TestExplainWithKeys:
    pytestmark = pytest.mark.anyio

    async def test_tells_the_same_of_what_needs_none(self):
        keys = Published({})
        mine = secrets(SECRET)
        given = await explain_with_keys(preset_of("stripe"), stripe(), mine, [], NOW, keys=keys)
        assert given == told(stripe())
        assert keys.asked == []

    async def test_tells_what_is_wrong_with_what_needs_some(self):
        preset = preset_of("paypal", {"webhookId": "WH"})
        given = await explain_with_keys(preset, request({}), [], [], NOW, keys=Published({}))
        assert given.code == Reason.MISSING_HEADER
        assert "PAYPAL-TRANSMISSION-ID" in given.what
