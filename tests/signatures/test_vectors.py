"""What the senders' own libraries signed or accepted, and what becomes of it when it is changed."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from app.signatures.catalogue import preset_of
from app.signatures.explanation import explain
from app.signatures.handshakes import answer
from app.signatures.paypal import signed_string
from app.signatures.request import Reading
from app.signatures.verdict import Reason
from app.signatures.verification import verify
from tests.signatures.requests import ACCEPTED, REQUESTS, VECTORS, request, secrets

OTHER_BODIES = {
    "mailgun": (b"aaaa", b"abaa"),
    "adyen": (b"1130", b"1131"),
    "braintree": (b"bt_payload=P", b"bt_payload=Q"),
}
"""Senders that do not sign the whole body: where something that is signed stands."""

vector = pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector.scheme)


def check(vector, changed=None, now=None):
    return verify(vector.preset, changed or vector.request, vector.secrets, now or vector.now)


def headers_read(vector):
    signing = vector.preset.signing
    sources = [*signing.sources, *signing.ids, *(signing.timestamp.sources if signing.timestamp else ())]
    sent = {name.lower() for name, _ in vector.request.headers}
    return sorted({source.name for source in sources if source.wire_name in sent})


def signature(vector):
    """The text of the signature itself: its longest run of letters, digits and signs of base64."""
    reading = Reading(vector.request)
    (value,) = [value for source in vector.preset.signing.sources for value in reading.values(source)]
    return max(re.findall(r"[\w+/]+", value.rpartition("v1,")[2]), key=len)


def with_signature(vector, changed):
    """The request with another text in the signature's place, in whatever part of it that is."""
    old, new = signature(vector).encode(), changed.encode()
    headers = [(name, value.replace(old, new)) for name, value in vector.request.headers]
    return replace(vector.request, headers=headers, body=vector.request.body.replace(old, new))


def test_there_is_every_vector():
    assert len(REQUESTS) == 32
    assert sorted(other["scheme"] for other in VECTORS["others"]) == ["paypal", "x", "zoom"]


@vector
class TestEachVector:
    def test_is_accepted(self, vector):
        assert check(vector) == ACCEPTED

    def test_is_accepted_with_the_previous_secret(self, vector):
        keys = secrets("0" * 64, *(secret.reveal() for secret in vector.secrets))
        assert verify(vector.preset, vector.request, keys, vector.now) == ACCEPTED

    def test_is_refused_with_another_body(self, vector):
        old, new = OTHER_BODIES.get(vector.scheme, (vector.request.body, vector.request.body + b" "))
        changed = replace(vector.request, body=vector.request.body.replace(old, new, 1))
        assert changed.body != vector.request.body
        assert check(vector, changed).reason == Reason.MISMATCH

    def test_is_refused_with_a_body_cut_short(self, vector):
        changed = replace(vector.request, body=vector.request.body[: len(vector.request.body) // 2])
        assert not check(vector, changed).ok

    def test_is_refused_with_one_character_of_the_signature_changed(self, vector):
        text = signature(vector)
        changed = with_signature(vector, text[:9] + ("1" if text[9] != "1" else "2") + text[10:])
        assert check(vector, changed).reason == Reason.MISMATCH

    def test_is_refused_with_the_signature_cut_short(self, vector):
        assert not check(vector, with_signature(vector, signature(vector)[:-4])).ok
        assert not check(vector, with_signature(vector, "")).ok

    def test_is_refused_without_one_of_its_headers(self, vector):
        for name in headers_read(vector):
            assert check(vector, vector.without(name)).reason == Reason.MISSING_HEADER

    def test_is_refused_without_any_header(self, vector):
        if headers_read(vector):
            assert check(vector, replace(vector.request, headers=[])).reason == Reason.MISSING_HEADER

    def test_is_refused_with_a_header_doubled(self, vector):
        for name in headers_read(vector):
            twice = [pair for pair in vector.request.headers if pair[0].decode().lower() == name.lower()]
            changed = replace(vector.request, headers=[*vector.request.headers, *twice])
            assert check(vector, changed).reason == Reason.MALFORMED

    def test_is_refused_in_another_time(self, vector):
        if vector.preset.signing.timestamp is None:
            assert check(vector, now=vector.now + 10**9) == ACCEPTED
            return
        for offset in (-vector.preset.tolerance - 2, vector.preset.tolerance + 2):
            assert check(vector, now=vector.now + offset).reason == Reason.STALE

    def test_is_refused_with_another_secret(self, vector):
        key = vector.secrets[0].reveal()
        other = key[:9] + ("B" if key[9:10] != "B" else "C") + key[10:]
        assert not verify(vector.preset, vector.request, secrets(other), vector.now).ok
        assert verify(vector.preset, vector.request, [], vector.now).reason == Reason.NO_SECRET

    def test_signs_the_message_that_is_shown(self, vector):
        told = explain(vector.preset, vector.request, vector.secrets, [], vector.now)
        assert told.message
        assert vector.message is None or told.message == vector.message


class TestOthers:
    def test_the_string_that_paypal_signs(self):
        (facts,) = [other for other in VECTORS["others"] if other["scheme"] == "paypal"]
        body = next(vector for vector in REQUESTS if vector.scheme == "stripe").request.body
        made = signed_string(facts["transmission_id"], facts["transmission_time"], facts["webhook_id"], body)
        assert made.decode() == facts["expected"]

    @pytest.mark.parametrize(
        "facts",
        [other for other in VECTORS["others"] if other["kind"] == "challenge"],
        ids=lambda facts: facts["scheme"],
    )
    def test_the_answer_to_a_challenge(self, facts):
        if "query" in facts:
            asked = request(method="GET", url=f"https://h.example/w?{facts['query']}")
            assert parse_qs(urlsplit(asked.url).query)
        else:
            asked = request(body=orjson.dumps(facts["body"]))
        preset = preset_of(facts["scheme"])
        is_signed = preset.handshakes[0].is_signed
        given = answer(preset, asked, secrets(facts["secret"]), is_verified=is_signed)
        assert orjson.loads(given.body) == facts["answer"]
        assert given.status == 200
