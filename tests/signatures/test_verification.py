import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.core.secret import Secret
from app.handlers.verification import VERIFICATION
from app.ingest.errors import NotVerified
from app.signatures.catalogue import preset_of
from app.signatures.deduplication import dedup_key
from app.signatures.messages import Token
from app.signatures.presets import BEARER, NONE, Preset, SignedTimestamp, Signing
from app.signatures.request import parse_source
from app.signatures.verdict import Reason
from app.signatures.verification import verify
from tests.signatures.requests import ACCEPTED, NOW, refused, request, secrets

GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

STANDARD_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
STANDARD_BODY = '{"type":"order.created","note":"héllo 🦀"}'.encode()


def standard_headers(secret=STANDARD_SECRET, body=STANDARD_BODY, *, id="msg_1", at=NOW):
    signature = Webhook(secret).sign(id, datetime.fromtimestamp(at, UTC).replace(tzinfo=None), body.decode())
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": signature}


def configured(**fields) -> Preset:
    return VERIFICATION.validate_python(fields).preset()


def mac(key, message, algorithm="sha256"):
    return hmac.digest(key if isinstance(key, bytes) else key.encode(), message, algorithm)


class TestGitHub:
    def check(self, headers, body=GITHUB_BODY, *keys):
        return verify(preset_of("github"), request(headers, body), secrets(*(keys or [GITHUB_SECRET])), NOW)

    def test_accepts_the_documented_example(self):
        assert self.check({"X-Hub-Signature-256": GITHUB_SIGNATURE}) == ACCEPTED

    def test_does_not_care_for_the_case_of_names_and_hex(self):
        upper = "sha256=" + GITHUB_SIGNATURE.removeprefix("sha256=").upper()
        assert self.check({"x-hub-SIGNATURE-256": upper}) == ACCEPTED

    def test_accepts_the_second_secret_while_one_is_rotated(self):
        assert (
            self.check({"X-Hub-Signature-256": GITHUB_SIGNATURE}, GITHUB_BODY, "new", GITHUB_SECRET)
            == ACCEPTED
        )

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            ({}, Reason.MISSING_HEADER),
            ({"X-Hub-Signature-256": ""}, Reason.MISSING_HEADER),
            ({"X-Hub-Signature": "sha1=" + "0" * 40}, Reason.MISSING_HEADER),
            ({"X-Hub-Signature-256": GITHUB_SIGNATURE.removeprefix("sha256=")}, Reason.MALFORMED),
            ({"X-Hub-Signature-256": "sha1=" + "0" * 40}, Reason.MALFORMED),
            ({"X-Hub-Signature-256": "sha256=" + "0" * 8192}, Reason.MALFORMED),
            ([("X-Hub-Signature-256", GITHUB_SIGNATURE)] * 2, Reason.MALFORMED),
            (
                [("X-Hub-Signature-256", GITHUB_SIGNATURE), ("x-hub-signature-256", "sha256=" + "0" * 64)],
                Reason.MALFORMED,
            ),
            ({"X-Hub-Signature-256": "sha256="}, Reason.BAD_ENCODING),
            ({"X-Hub-Signature-256": "sha256=xyz"}, Reason.BAD_ENCODING),
            ({"X-Hub-Signature-256": "sha256=é"}, Reason.BAD_ENCODING),
            ({"X-Hub-Signature-256": GITHUB_SIGNATURE[:-1]}, Reason.BAD_ENCODING),
            ({"X-Hub-Signature-256": f"{GITHUB_SIGNATURE}, {GITHUB_SIGNATURE}"}, Reason.BAD_ENCODING),
            ({"X-Hub-Signature-256": GITHUB_SIGNATURE[:-2]}, Reason.MISMATCH),
            ({"X-Hub-Signature-256": "sha256=00"}, Reason.MISMATCH),
            ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, Reason.MISMATCH),
        ],
    )
    def test_refuses(self, headers, reason):
        assert self.check(headers) == refused(reason)

    @pytest.mark.parametrize("body", [b"", b"Hello, World", b"Hello, World!\n", b"hello, World!"])
    def test_refuses_another_body(self, body):
        assert self.check({"X-Hub-Signature-256": GITHUB_SIGNATURE}, body) == refused(Reason.MISMATCH)

    def test_refuses_another_secret(self):
        headers = {"X-Hub-Signature-256": GITHUB_SIGNATURE}
        assert self.check(headers, GITHUB_BODY, "not it") == refused(Reason.MISMATCH)

    def test_refuses_everything_without_a_secret(self):
        signature = "sha256=" + mac(b"", GITHUB_BODY).hex()
        for keys in ([], [Secret("")]):
            verdict = verify(
                preset_of("github"), request({"X-Hub-Signature-256": signature}, GITHUB_BODY), keys, NOW
            )
            assert verdict == refused(Reason.NO_SECRET)

    @given(st.binary(max_size=200), st.integers(min_value=0))
    def test_notices_every_changed_bit(self, body, position):
        signature = "sha256=" + mac(GITHUB_SECRET, body).hex()
        assert self.check({"X-Hub-Signature-256": signature}, body) == ACCEPTED
        if body:
            index, bit = divmod(position % (len(body) * 8), 8)
            changed = body[:index] + bytes([body[index] ^ 1 << bit]) + body[index + 1 :]
            assert self.check({"X-Hub-Signature-256": signature}, changed) == refused(Reason.MISMATCH)


class TestStandardWebhooks:
    def check(self, headers, body=STANDARD_BODY, *, keys=(STANDARD_SECRET,), now=NOW):
        return verify(preset_of("standard-webhooks"), request(headers, body), secrets(*keys), now)

    def test_accepts_what_the_reference_library_signs(self):
        assert self.check(standard_headers()) == ACCEPTED

    @pytest.mark.parametrize(
        "spelling", [STANDARD_SECRET.rstrip("="), STANDARD_SECRET.removeprefix("whsec_")]
    )
    def test_takes_the_secret_without_padding_and_without_prefix(self, spelling):
        assert self.check(standard_headers(), keys=[spelling]) == ACCEPTED

    def test_finds_the_right_one_among_several_signatures(self):
        headers = standard_headers()
        wrong = "v1," + base64.b64encode(bytes(32)).decode()
        headers["webhook-signature"] = f"v1a,bm90IGl0 {wrong} {headers['webhook-signature']} v2,x"
        assert self.check(headers) == ACCEPTED

    @pytest.mark.parametrize("offset", [-300, -1, 0, 1, 300])
    def test_accepts_clocks_that_differ_by_five_minutes(self, offset):
        assert self.check(standard_headers(), now=NOW + offset) == ACCEPTED

    @pytest.mark.parametrize("offset", [-86_400, -301, 301, 86_400])
    def test_refuses_the_past_and_the_future(self, offset):
        assert self.check(standard_headers(), now=NOW + offset) == refused(Reason.STALE)

    def test_says_mismatch_of_an_old_forgery(self):
        """Only who can sign learns that it is too late."""
        assert self.check(standard_headers() | {"webhook-timestamp": "1"}) == refused(Reason.MISMATCH)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_needs_each_header_exactly_once(self, name):
        headers = standard_headers()
        assert self.check([*headers.items(), (name, headers[name])]) == refused(Reason.MALFORMED)
        del headers[name]
        assert self.check(headers) == refused(Reason.MISSING_HEADER)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"webhook-id": "msg_2"}, Reason.MISMATCH),
            ({"webhook-timestamp": str(NOW + 1)}, Reason.MISMATCH),
            ({"webhook-timestamp": "soon"}, Reason.MALFORMED),
            ({"webhook-timestamp": "-1"}, Reason.MALFORMED),
            ({"webhook-timestamp": "1e9"}, Reason.MALFORMED),
            ({"webhook-timestamp": "9" * 400}, Reason.MALFORMED),
            ({"webhook-timestamp": "²³"}, Reason.MALFORMED),
            ({"webhook-signature": "v1a,bm90IGl0"}, Reason.MALFORMED),
            ({"webhook-signature": "bm90IGl0"}, Reason.MALFORMED),
            ({"webhook-signature": "v1,!"}, Reason.BAD_ENCODING),
            ({"webhook-signature": "v1,"}, Reason.BAD_ENCODING),
            ({"webhook-signature": " ".join(["v1,bm90IGl0"] * 16)}, Reason.MISMATCH),
            ({"webhook-signature": " ".join(["v1,bm90IGl0"] * 17)}, Reason.MALFORMED),
        ],
    )
    def test_refuses(self, changes, reason):
        assert self.check(standard_headers() | changes) == refused(reason)

    def test_refuses_another_body(self):
        assert self.check(standard_headers(), STANDARD_BODY + b" ") == refused(Reason.MISMATCH)

    def test_refuses_a_secret_that_is_no_base64(self):
        assert self.check(standard_headers(), keys=["whsec_!!", "whsec_"]) == refused(Reason.NO_SECRET)


class TestHmac:
    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
    @pytest.mark.parametrize(
        ("encoding", "encode"),
        [
            ("hex", bytes.hex),
            ("base64", lambda raw: base64.b64encode(raw).decode()),
            ("base64url", lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")),
        ],
    )
    def test_knows_each_algorithm_and_encoding(self, algorithm, encoding, encode):
        preset = configured(scheme="hmac", algorithm=algorithm, encoding=encoding)
        headers = {"X-Signature": encode(mac("key", b"body", algorithm))}
        assert verify(preset, request(headers, b"body"), secrets("key"), NOW) == ACCEPTED
        assert verify(preset, request(headers, b"Body"), secrets("key"), NOW) == refused(Reason.MISMATCH)

    @pytest.mark.parametrize(
        ("codec", "secret", "key"),
        [
            ("utf8", "whsec_é", "whsec_é".encode()),
            ("hex", "00ff10", b"\x00\xff\x10"),
            ("base64", "AP8Q", b"\x00\xff\x10"),
            ("whsec", "whsec_AP8Q", b"\x00\xff\x10"),
        ],
    )
    def test_reads_the_secret_as_told(self, codec, secret, key):
        preset = configured(scheme="hmac", keyCodec=codec)
        signed = request({"X-Signature": mac(key, b"x").hex()}, b"x")
        assert verify(preset, signed, secrets(secret), NOW) == ACCEPTED

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("{raw}", b"body"),
            ("v0:{ts}:{raw}", b"v0:1700000000:body"),
            ("{ts}.{raw}", b"1700000000.body"),
            ("{method}{url}{raw}{ts}", b"PUThttps://h.example/p?q=1body1700000000"),
        ],
    )
    def test_puts_the_message_together(self, template, message):
        fields = {"timestampHeader": "X-Time"} if "{ts}" in template else {}
        preset = configured(scheme="hmac", message=template, **fields)
        headers = {"X-Signature": mac("key", message).hex(), "X-Time": "1700000000"}
        signed = request(headers, b"body", method="PUT", url="https://h.example/p?q=1")
        assert verify(preset, signed, secrets("key"), NOW) == ACCEPTED

    def test_takes_the_prefixed_elements_of_a_list(self):
        preset = configured(scheme="hmac", prefix="v1=", separator=",")
        value = f"v0=00, v1={'0' * 64}, v1={mac('key', b'x').hex()}"
        assert verify(preset, request({"X-Signature": value}, b"x"), secrets("key"), NOW) == ACCEPTED

    @pytest.mark.parametrize(
        ("unit", "text"),
        [
            ("s", "1700000000"),
            ("ms", "1700000000123"),
            ("rfc3339", "2023-11-14T22:13:20Z"),
            ("rfc3339", "2023-11-14T22:13:20.123456789Z"),
            ("rfc3339", "2023-11-14T23:13:20+01:00"),
        ],
    )
    def test_reads_each_kind_of_timestamp(self, unit, text):
        preset = configured(
            scheme="hmac",
            message="{ts}{raw}",
            timestampHeader="X-Time",
            timestampUnit=unit,
            toleranceSeconds=60,
        )
        signed = request({"X-Signature": mac("key", text.encode() + b"x").hex(), "X-Time": text}, b"x")
        assert verify(preset, signed, secrets("key"), NOW) == ACCEPTED
        assert verify(preset, signed, secrets("key"), NOW + 62) == refused(Reason.STALE)
        assert verify(preset, signed, secrets("key"), NOW - 62) == refused(Reason.STALE)

    @pytest.mark.parametrize(
        "text", ["yesterday", "2023-11-14", "2023-13-14T22:13:20Z", "2023-11-14T22:13:20"]
    )
    def test_refuses_a_timestamp_of_another_form(self, text):
        preset = configured(
            scheme="hmac", message="{ts}{raw}", timestampHeader="X-Time", timestampUnit="rfc3339"
        )
        signed = request({"X-Signature": mac("key", text.encode()).hex(), "X-Time": text})
        assert verify(preset, signed, secrets("key"), NOW) == refused(Reason.MALFORMED)

    def test_finds_a_timestamp_inside_the_signature_header(self):
        place = (parse_source("header:X-Signature"),)
        signing = Signing(
            sources=place,
            prefix="v1=",
            separator=",",
            messages=((Token.TIMESTAMP, b".", Token.RAW),),
            timestamp=SignedTimestamp(sources=place, prefix="t="),
        )
        preset = Preset(name="stripe-like", signing=signing)
        good = f"t={NOW},v1={mac('key', f'{NOW}.x'.encode()).hex()}"
        for value, verdict in [
            (good, ACCEPTED),
            (f"{good},t={NOW}", refused(Reason.MALFORMED)),
            (good.partition(",")[2], refused(Reason.MALFORMED)),
        ]:
            assert verify(preset, request({"X-Signature": value}, b"x"), secrets("key"), NOW) == verdict

    def test_tries_a_bounded_number_of_secrets(self):
        signed = request({"X-Signature": mac("key", b"x").hex()}, b"x")
        preset = configured(scheme="hmac")
        assert verify(preset, signed, secrets(*["no"] * 15, "key"), NOW) == ACCEPTED
        assert verify(preset, signed, secrets(*["no"] * 16, "key"), NOW) == refused(Reason.MISMATCH)


class TestPublicKeys:
    def test_are_tried_a_bounded_number_of_times(self):
        """Each try costs a tenth of a millisecond, which strangers can ask for."""
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex()
        preset = configured(scheme="ed25519", keyCodec="hex", encoding="hex", separator=",")
        good = key.sign(b"x").hex()
        for wrong, keys, verdict in [
            (15, [public], ACCEPTED),
            (15, [public] * 2, ACCEPTED),
            (15, [public] * 4, refused(Reason.MISMATCH)),
            (7, [public] * 4, ACCEPTED),
        ]:
            header = ",".join(["00" * 64] * wrong + [good])
            assert verify(preset, request({"X-Signature": header}, b"x"), secrets(*keys), NOW) == verdict


class TestWithoutASignature:
    def test_none_lets_everybody_in(self):
        assert verify(configured(scheme="none"), request({}), [], NOW) == ACCEPTED

    def test_bearer_is_never_enough_here(self):
        signed = request({"Authorization": "Bearer anything"})
        assert not verify(configured(scheme="bearer"), signed, secrets("anything"), NOW).ok


class TestTolerance:
    def test_is_the_handlers_own(self):
        preset = configured(scheme="standard-webhooks", toleranceSeconds=10)
        signed = request(standard_headers(), STANDARD_BODY)
        assert verify(preset, signed, secrets(STANDARD_SECRET), NOW + 10) == ACCEPTED
        assert verify(preset, signed, secrets(STANDARD_SECRET), NOW + 11) == refused(Reason.STALE)


class TestDedupKey:
    def key(self, preset, headers=None, body=b""):
        return dedup_key(preset, request(headers or {}, body))

    def test_is_the_providers_own_header_first(self):
        headers = {"idempotency-key": "b", "webhook-id": "c", "X-GitHub-Delivery": "a"}
        assert self.key(preset_of("github"), headers) == "a"
        assert self.key(preset_of("standard-webhooks"), headers) == "c"

    def test_falls_back_to_the_general_headers(self):
        assert self.key(NONE, {"Idempotency-Key": "b", "Webhook-Id": "c"}) == "c"
        assert self.key(BEARER, {"Idempotency-Key": "b"}) == "b"
        assert self.key(preset_of("github"), {"Idempotency-Key": "b"}) == "b"

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "  "}])
    def test_is_none_without_any(self, headers):
        assert self.key(NONE, headers) is None

    @pytest.mark.parametrize(
        ("pointer", "value", "key"),
        [
            ("/id", {"id": "evt_1"}, "evt_1"),
            ("/data/0/id", {"data": [{"id": 7}]}, "7"),
            ("/a~1b/m~0n", {"a/b": {"m~n": "x"}}, "x"),
            ("/id", {"id": None}, None),
            ("/id", {"id": ""}, None),
            ("/id", {"id": True}, None),
            ("/id", {"id": {"nested": 1}}, None),
            ("/id/x", {"id": "text"}, None),
            ("/1", ["only"], None),
            ("/-1", ["only"], None),
        ],
    )
    def test_is_found_in_the_body(self, pointer, value, key):
        preset = configured(scheme="hmac", dedupPointer=pointer)
        assert self.key(preset, body=json.dumps(value).encode()) == key

    @pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[" * 5000])
    def test_survives_a_body_that_is_no_json(self, body):
        preset = configured(scheme="hmac", dedupPointer="/id")
        assert self.key(preset, {"webhook-id": "w"}, body) == "w"

    def test_of_a_long_value_is_its_digest(self):
        assert self.key(NONE, {"webhook-id": "x" * 255}) == "x" * 255
        digest = hashlib.sha256(b"x" * 256).hexdigest()
        assert self.key(NONE, {"webhook-id": "x" * 256}) == f"sha256:{digest}"

    def test_of_a_value_that_cannot_be_stored_is_its_digest(self):
        preset = configured(scheme="hmac", dedupPointer="/id")
        digest = hashlib.sha256(b"a\0b").hexdigest()
        assert self.key(preset, body=b'{"id": "a\\u0000b"}') == f"sha256:{digest}"


class TestNotVerified:
    def test_keeps_its_reason_from_the_sender(self):
        error = NotVerified(Reason.STALE)
        assert error.reason == "stale"
        assert "stale" not in f"{error}{error.detail}{error.extra}{error.errors}"
