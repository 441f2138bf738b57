"""PayPal and SNS: signatures under certificates that the request names."""

import base64
import json
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from app.signatures.catalogue import preset_of
from app.signatures.handshakes import answer
from app.signatures.verdict import Reason
from app.signatures.verification import verify, verify_with_keys
from tests.signatures.published import Published, certificate
from tests.signatures.requests import ACCEPTED, NOW, request

ISO = "2023-11-14T22:13:20Z"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


def sign(key, message, digest):
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), digest())).decode()


class TestPayPal:
    URL = "https://api.paypal.com/v1/notifications/certs/CERT-1"
    BODY = b'{"id":"WH-1"}'
    PRESET = preset_of("paypal", {"webhookId": "WH"})

    def headers(self, key, **changes):
        message = f"tid|{ISO}|WH|{zlib.crc32(self.BODY)}".encode()
        return {
            "PAYPAL-TRANSMISSION-ID": "tid",
            "PAYPAL-TRANSMISSION-TIME": ISO,
            "PAYPAL-TRANSMISSION-SIG": sign(key, message, SHA256),
            "PAYPAL-CERT-URL": self.URL,
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        } | changes

    async def check(self, headers, body=BODY, *, keys, preset=PRESET, now=NOW):
        return await verify_with_keys(preset, request(headers, body), [], now, keys)

    async def test_is_verified_with_the_certificate_that_it_names(self, key):
        keys = Published({self.URL: certificate(key)})
        assert await self.check(self.headers(key), keys=keys) == ACCEPTED
        assert keys.asked == [(self.URL, False)]

    async def test_is_refused_when_anything_signed_is_another(self, key):
        keys = Published({self.URL: certificate(key)})
        headers = self.headers(key)
        other = preset_of("paypal", {"webhookId": "OTHER"})
        assert (await self.check(headers, b"{}", keys=keys)).reason == Reason.MISMATCH
        assert (await self.check(headers, keys=keys, preset=other)).reason == Reason.MISMATCH
        changed = headers | {"PAYPAL-TRANSMISSION-ID": "x"}
        assert (await self.check(changed, keys=keys)).reason == Reason.MISMATCH

    async def test_is_refused_without_one_of_its_headers_or_with_one_doubled(self, key):
        keys = Published({self.URL: certificate(key)})
        headers = self.headers(key)
        for name in headers:
            kept = {key: value for key, value in headers.items() if key != name}
            assert (await self.check(kept, keys=keys)).reason == Reason.MISSING_HEADER
            twice = [*headers.items(), (name, headers[name])]
            assert (await self.check(twice, keys=keys)).reason == Reason.MALFORMED
        assert keys.asked == []

    async def test_is_refused_when_it_is_late(self, key):
        keys = Published({self.URL: certificate(key)})
        assert await self.check(self.headers(key), keys=keys, now=NOW + 3600) == ACCEPTED
        assert (await self.check(self.headers(key), keys=keys, now=NOW + 3601)).reason == Reason.STALE

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/cert",
            "http://api.paypal.com/cert",
            "https://api.paypal.com.evil.example/cert",
            "https://api.paypal.com@evil.example/cert",
            "https://evil.paypal.com/cert",
            "https://api.paypal.com:8443/cert",
            "https://[",
        ],
    )
    async def test_names_certificates_of_paypal_alone(self, key, url):
        keys = Published({url: certificate(key)})
        verdict = await self.check(self.headers(key, **{"PAYPAL-CERT-URL": url}), keys=keys)
        assert verdict.reason == Reason.MALFORMED

    async def test_is_refused_under_a_certificate_that_has_ended(self, key):
        keys = Published({self.URL: certificate(key, days=(-3, -1))})
        assert (await self.check(self.headers(key), keys=keys)).reason == Reason.MISMATCH
        assert (
            await self.check(self.headers(key), keys=Published({self.URL: b"x"}))
        ).reason == Reason.MISMATCH
        assert (await self.check(self.headers(key), keys=Published({}))).reason == Reason.MISMATCH

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"PAYPAL-AUTH-ALGO": "SHA1withRSA"}, Reason.MALFORMED),
            ({"PAYPAL-TRANSMISSION-TIME": "soon"}, Reason.MALFORMED),
            ({"PAYPAL-TRANSMISSION-SIG": "!"}, Reason.BAD_ENCODING),
        ],
    )
    async def test_asks_for_no_certificate_when_it_is_malformed(self, key, changes, reason):
        keys = Published({self.URL: certificate(key)})
        assert (await self.check(self.headers(key, **changes), keys=keys)).reason == reason
        assert keys.asked == []

    def test_is_never_accepted_without_keys(self, key):
        assert not verify(self.PRESET, request(self.headers(key), self.BODY), [], NOW).ok


class TestSns:
    URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
    TOPIC = "arn:aws:sns:eu-west-1:1:orders"
    PRESET = preset_of("sns", {"topicArns": [TOPIC]})

    def message(self, key, *, version="2", **changes):
        fields = {
            "Type": "Notification",
            "MessageId": "m1",
            "TopicArn": self.TOPIC,
            "Subject": "héllo",
            "Message": "text\nwith lines",
            "Timestamp": "2023-11-14T22:13:20.000Z",
        } | changes
        names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        text = "".join(f"{name}\n{fields[name]}\n" for name in names if fields.get(name) is not None)
        digest = {"1": SHA1, "2": SHA256}[version]
        signature = sign(key, text.encode(), digest)
        added = {"SignatureVersion": version, "Signature": signature, "SigningCertURL": self.URL}
        return {name: value for name, value in {**fields, **added}.items() if value is not None}

    def confirmation(
        self, key, url="https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    ):
        return self.message(key, Type="SubscriptionConfirmation", Subject=None, Token="t", SubscribeURL=url)

    async def check(self, message, *, keys=None, preset=PRESET, now=NOW):
        return await verify_with_keys(preset, request({}, json.dumps(message).encode()), [], now, keys)

    @pytest.mark.parametrize("version", ["1", "2"])
    @pytest.mark.parametrize("subject", ["about", None])
    async def test_is_verified_in_both_versions(self, key, version, subject):
        keys = Published({self.URL: certificate(key)})
        message = self.message(key, version=version, Subject=subject)
        assert await self.check(message, keys=keys) == ACCEPTED

    async def test_is_refused_when_a_signed_field_is_another(self, key):
        keys = Published({self.URL: certificate(key)})
        message = self.message(key)
        for name in ("Message", "MessageId", "Subject"):
            assert (await self.check(message | {name: "x"}, keys=keys)).reason == Reason.MISMATCH
        assert (await self.check(message, keys=keys, now=NOW + 3601)).reason == Reason.STALE

    async def test_is_refused_without_one_of_its_fields(self, key):
        keys = Published({self.URL: certificate(key)})
        message = self.message(key)
        for name in message.keys() - {"Subject"}:
            kept = {key: value for key, value in message.items() if key != name}
            assert (await self.check(kept, keys=keys)).reason == Reason.MISSING_HEADER

    async def test_is_refused_from_a_topic_that_nobody_expects(self, key):
        """Anybody can have a topic, and every topic is signed with the same keys."""
        keys = Published({self.URL: certificate(key)})
        foreign = self.message(key, TopicArn="arn:aws:sns:eu-west-1:666:mine")
        assert (await self.check(foreign, keys=keys)).reason == Reason.MISMATCH
        assert (
            await self.check(self.message(key), keys=keys, preset=preset_of("sns"))
        ).reason == Reason.NO_SECRET
        assert keys.asked == []

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("https://sns.evil.example/x.pem", Reason.MALFORMED),
            ("https://sns.eu.amazonaws.com.evil.example/x.pem", Reason.MALFORMED),
            ("http://sns.eu-west-1.amazonaws.com/x.pem", Reason.MALFORMED),
            ("https://sns.eu-west-1.amazonaws.com/x.txt", Reason.MALFORMED),
            ("https://s3.amazonaws.com/x.pem", Reason.MALFORMED),
        ],
    )
    async def test_names_certificates_of_sns_alone(self, key, url, reason):
        keys = Published({url: certificate(key)})
        assert (await self.check(self.message(key) | {"SigningCertURL": url}, keys=keys)).reason == reason

    @pytest.mark.parametrize("body", [b"", b"[]", b"1", b'{"Type": 1}', b'{"Type": "X"}'])
    async def test_survives_any_body(self, body):
        verdict = await verify_with_keys(self.PRESET, request({}, body), [], NOW, Published({}))
        assert not verdict.ok

    async def test_confirms_a_subscription_after_its_signature(self, key):
        keys = Published({self.URL: certificate(key)})
        message = self.confirmation(key)
        asked = request({}, json.dumps(message).encode())
        assert await self.check(message, keys=keys) == ACCEPTED
        assert answer(self.PRESET, asked, [], is_verified=False) is None
        given = answer(self.PRESET, asked, [], is_verified=True)
        assert (given.status, given.confirm_url) == (200, message["SubscribeURL"])

    def test_confirms_at_sns_alone(self, key):
        asked = request({}, json.dumps(self.confirmation(key, "https://evil.example/")).encode())
        assert answer(self.PRESET, asked, [], is_verified=True) is None
