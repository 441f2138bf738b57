"""Schemes without a vector: signed here as their senders describe it, by nothing of the engine."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.handlers.verification import VERIFICATION
from app.signatures.catalogue import preset_of, schemes
from app.signatures.verdict import Reason
from app.signatures.verification import verify
from tests.signatures.requests import ACCEPTED, NOW, REQUESTS, URL, request, secrets

SECRET = "sekret-of-some-length"
KEY = SECRET.encode()
BODY = b'{"id":"1","webhookTimestamp":1700000000000,"timestamp":1700000000000,"time_ms":1700000000000}'
MS = f"{NOW}000"
ISO = "2023-11-14T22:13:20Z"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def hexed(message, algorithm="sha256", key=KEY):
    return hmac.new(key, message, algorithm).hexdigest()


def b64(message, algorithm="sha256", key=KEY):
    return base64.b64encode(hmac.new(key, message, algorithm).digest()).decode()


def stamped(separator, ts=str(NOW)):
    return f"{ts}{separator}".encode() + BODY


SIGNED = {
    "gitea": lambda: {"X-Gitea-Signature": hexed(BODY)},
    "jira": lambda: {"X-Hub-Signature": "sha256=" + hexed(BODY)},
    "bitbucket": lambda: {"X-Hub-Signature": "sha256=" + hexed(BODY)},
    "linear": lambda: {"Linear-Signature": hexed(BODY)},
    "sentry": lambda: {"Sentry-Hook-Signature": hexed(BODY)},
    "vercel": lambda: {"x-vercel-signature": hexed(BODY, "sha1")},
    "circleci": lambda: {"circleci-signature": "v1=" + hexed(BODY) + ",v2=abc"},
    "buildkite": lambda: {"X-Buildkite-Signature": f"timestamp={NOW},signature=" + hexed(stamped("."))},
    "launchdarkly": lambda: {"X-LD-Signature": hexed(BODY)},
    "cloudflare-stream": lambda: {"Webhook-Signature": f"time={NOW},sig1=" + hexed(stamped("."))},
    "tailscale": lambda: {"Tailscale-Webhook-Signature": f"t={NOW},v1=" + hexed(stamped("."))},
    "mux": lambda: {"Mux-Signature": f"t={NOW},v1=" + hexed(stamped("."))},
    "adyen-platforms": lambda: {"HmacSignature": b64(BODY, key=bytes.fromhex("00ff"))},
    "razorpay": lambda: {"X-Razorpay-Signature": hexed(BODY)},
    "paystack": lambda: {"x-paystack-signature": hexed(BODY, "sha512")},
    "flutterwave": lambda: {"flutterwave-signature": b64(BODY)},
    "mollie": lambda: {"X-Mollie-Signature": "sha256=" + hexed(BODY)},
    "gocardless": lambda: {"Webhook-Signature": hexed(BODY)},
    "coinbase-commerce": lambda: {"X-CC-Webhook-Signature": hexed(BODY)},
    "coinbase-cdp": lambda: {"X-Hook0-Signature": f"t={NOW},v0={hexed(stamped('.'))},h=x,v1=00"},
    "lemon-squeezy": lambda: {"X-Signature": hexed(BODY)},
    "woocommerce": lambda: {"X-WC-Webhook-Signature": b64(BODY)},
    "quickbooks": lambda: {"intuit-signature": b64(BODY)},
    "onfido": lambda: {"X-SHA2-Signature": hexed(BODY)},
    "airwallex": lambda: {"x-timestamp": MS, "x-signature": hexed(stamped("", MS))},
    "qonto": lambda: {"X-Qonto-Signature": f"t={NOW},v1=" + hexed(stamped("."))},
    "zoho-payments": lambda: {"X-Zoho-Webhook-Signature": f"t={MS},v=" + hexed(stamped(".", MS))},
    "mailersend": lambda: {"Signature": hexed(BODY)},
    "tiktok": lambda: {"TikTok-Signature": f"t={NOW},s=" + hexed(stamped("."))},
    "viber": lambda: {"X-Viber-Content-Signature": hexed(BODY)},
    "customerio": lambda: {"X-CIO-Timestamp": str(NOW), "X-CIO-Signature": hexed(b"v0:" + stamped(":"))},
    "stream": lambda: {"X-Signature": hexed(BODY)},
    "pusher": lambda: {"X-Pusher-Key": "k", "X-Pusher-Signature": hexed(BODY)},
    "elevenlabs": lambda: {"ElevenLabs-Signature": f"t={NOW},v0=" + hexed(stamped("."))},
    "intercom": lambda: {"X-Hub-Signature": "sha1=" + hexed(BODY, "sha1")},
    "help-scout": lambda: {"X-HelpScout-Signature": b64(BODY, "sha1")},
    "x": lambda: {"x-twitter-webhooks-signature": "sha256=" + b64(BODY)},
    "calendly": lambda: {"Calendly-Webhook-Signature": f"t={NOW},v1=" + hexed(stamped("."))},
    "calcom": lambda: {"X-Cal-Signature-256": hexed(BODY)},
    "tally": lambda: {"Tally-Signature": b64(BODY)},
    "formstack": lambda: {"X-FS-Signature": "sha256=" + hexed(BODY)},
    "webflow": lambda: {"x-webflow-timestamp": MS, "x-webflow-signature": hexed(stamped(":", MS))},
    "clickup": lambda: {"X-Signature": hexed(BODY)},
    "airtable": lambda: {"X-Airtable-Content-MAC": "hmac-sha256=" + hexed(BODY, key=b"\0\xff")},
    "attio": lambda: {"Attio-Signature": hexed(BODY)},
    "checkr": lambda: {"X-Checkr-Signature": hexed(BODY)},
    "jobber": lambda: {"X-Jobber-Hmac-SHA256": b64(BODY)},
    "autotask": lambda: {"X-Hook-Signature": "sha1=" + b64(BODY, "sha1")},
    "sellsy": lambda: {"x-webhook-signature": hashlib.sha1(SECRET.encode() + BODY).hexdigest()},  # noqa: S324
    "connectwise": lambda: {"x-content-signature": b64(BODY, key=hashlib.sha256(SECRET.encode()).digest())},
    "yousign": lambda: {"X-Yousign-Signature-256": "sha256=" + hexed(BODY)},
    "docusign": lambda: {"X-DocuSign-Signature-1": b64(b"x"), "X-DocuSign-Signature-3": b64(BODY)},
    "nylas": lambda: {"X-Nylas-Signature": hexed(BODY)},
    "smartsheet": lambda: {"Smartsheet-Hmac-SHA256": hexed(BODY)},
    "segment": lambda: {"X-Signature": hexed(BODY, "sha1")},
    "patreon": lambda: {"X-Patreon-Signature": hexed(BODY, "md5")},
    "greenhouse": lambda: {"Signature": "sha256 " + hexed(BODY)},
    "websub": lambda: {"X-Hub-Signature": "sha256=" + hexed(BODY)},
    "hubspot-v1": lambda: {"X-HubSpot-Signature": hashlib.sha256(SECRET.encode() + BODY).hexdigest()},
    "hubspot-v2": lambda: {
        "X-HubSpot-Signature": hashlib.sha256(f"{SECRET}POST{URL}".encode() + BODY).hexdigest()
    },
    **dict.fromkeys(("svix", "clerk", "resend"), lambda: standard("svix")),
    **dict.fromkeys(("gitlab", "openai", "replicate", "render"), lambda: standard("webhook")),
}
KEYS = {
    "adyen-platforms": "00ff",
    "airtable": "AP8=",
    **dict.fromkeys(
        ("svix", "clerk", "resend", "gitlab", "openai", "replicate", "render"),
        "whsec_" + base64.b64encode(SECRET.encode()).decode(),
    ),
}

TOKENS = {
    "basic": {"Authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()},
    "header-token": {"X-Api-Key": SECRET},
    "cloudevents": {"Authorization": f"bearer {SECRET}"},
    "gitlab-token": {"X-Gitlab-Token": SECRET},
    "flutterwave-hash": {"verif-hash": SECRET},
    "telegram": {"X-Telegram-Bot-Api-Secret-Token": SECRET},
    "deepgram": {"dg-token": SECRET},
    "okta": {"Authorization": SECRET},
    "streak": {"X-Streak-Webhook-Token": SECRET},
    "google-channel": {"X-Goog-Channel-Token": SECRET},
}
IN_QUERY = {"query-token": "token", "mailchimp": "secret", "event-grid": "token"}
TESTED_ELSEWHERE = {
    *("paypal", "sns"),  # test_published_keys
    *(name for name, preset in schemes().items() if preset.jwt),  # test_jwt
    *("telnyx", "wise", "highlevel", "discord-events"),  # below: public keys
    *("microsoft-graph", "figma", "dropbox-sign"),  # below: in the body
}


def klaviyo():
    moment = format_datetime(datetime.fromtimestamp(NOW, UTC), usegmt=True)
    return {"Klaviyo-Timestamp": moment, "Klaviyo-Signature": hexed(BODY + moment.encode())}


def contentful():
    names = "x-contentful-signed-headers,x-contentful-timestamp"
    listed = f"x-contentful-signed-headers:{names};x-contentful-timestamp:{MS}"
    message = f"POST\n/webhook/acme/hook?x=1\n{listed}\n".encode() + BODY
    return {
        "x-contentful-signed-headers": names,
        "x-contentful-timestamp": MS,
        "x-contentful-signature": hexed(message),
    }


def standard(prefix):
    return {
        f"{prefix}-id": "msg_1",
        f"{prefix}-timestamp": str(NOW),
        f"{prefix}-signature": "v1," + b64(f"msg_1.{NOW}.".encode() + BODY),
    }


SIGNED |= {"klaviyo": klaviyo, "contentful": contentful}


def check(name, headers, body=BODY, *, key=SECRET, now=NOW, url=URL):
    preset = preset_of(name, {"publicKey": "pub"} if name == "braintree" else None)
    return verify(preset, request(headers, body, url=url), secrets(key), now)


def test_no_preset_is_left_out():
    tested = {vector.scheme for vector in REQUESTS} | SIGNED.keys() | TOKENS.keys() | IN_QUERY.keys()
    assert schemes().keys() == tested | TESTED_ELSEWHERE


@pytest.mark.parametrize("name", SIGNED)
class TestSigned:
    def test_accepts_what_its_sender_signs(self, name):
        assert check(name, SIGNED[name](), key=KEYS.get(name, SECRET)) == ACCEPTED

    def test_refuses_another_body(self, name):
        verdict = check(name, SIGNED[name](), BODY + b" ", key=KEYS.get(name, SECRET))
        assert verdict.reason == Reason.MISMATCH

    def test_refuses_each_header_missing(self, name):
        headers = SIGNED[name]()
        for missing in [key for key in headers if "DocuSign" not in key and key != "X-Pusher-Key"]:
            kept = {key: value for key, value in headers.items() if key != missing}
            assert check(name, kept, key=KEYS.get(name, SECRET)).reason == Reason.MISSING_HEADER

    def test_refuses_another_time_where_it_signs_one(self, name):
        late = check(name, SIGNED[name](), key=KEYS.get(name, SECRET), now=NOW + 86_401)
        early = check(name, SIGNED[name](), key=KEYS.get(name, SECRET), now=NOW - 86_401)
        signs_time = preset_of(name).signing.timestamp is not None
        assert late == early
        assert late.reason == (Reason.STALE if signs_time else None)


class TestSharedSecrets:
    @pytest.mark.parametrize("name", TOKENS)
    def test_are_compared_whole(self, name):
        assert check(name, TOKENS[name]) == ACCEPTED
        for wrong in (SECRET[:-1], SECRET + "x", SECRET.upper()):
            assert check(name, TOKENS[name], key=wrong).reason == Reason.MISMATCH
        assert check(name, {}).reason == Reason.MISSING_HEADER
        assert check(name, [*TOKENS[name].items()] * 2).reason == Reason.MALFORMED
        assert verify(preset_of(name), request(TOKENS[name]), [], NOW).reason == Reason.NO_SECRET

    @pytest.mark.parametrize(("name", "parameter"), IN_QUERY.items())
    def test_are_read_from_the_address(self, name, parameter):
        url = f"https://h.example/w?a=1&{parameter}={SECRET}"
        assert check(name, {}, url=url) == ACCEPTED
        assert check(name, {}, url=f"{url}x").reason == Reason.MISMATCH
        assert check(name, {}, url=f"{url}&{parameter}={SECRET}").reason == Reason.MALFORMED
        assert check(name, {}).reason == Reason.MISSING_HEADER

    def test_stand_in_every_notification_of_microsoft_graph(self):
        def body(*states):
            return json.dumps({"value": [{"clientState": state} for state in states]}).encode()

        assert check("microsoft-graph", {}, body(SECRET, SECRET)) == ACCEPTED
        assert check("microsoft-graph", {}, body(SECRET, "x")).reason == Reason.MISMATCH
        assert check("microsoft-graph", {}, body(SECRET, None)).reason == Reason.MISSING_HEADER
        assert check("microsoft-graph", {}, body()).reason == Reason.MISSING_HEADER
        assert check("microsoft-graph", {}, body(*[SECRET] * 17)).reason == Reason.MALFORMED

    def test_stand_in_the_body_of_figma(self):
        assert check("figma", {}, json.dumps({"passcode": SECRET}).encode()) == ACCEPTED
        assert check("figma", {}, b'{"passcode":"x"}').reason == Reason.MISMATCH

    def test_are_found_under_the_header_that_the_handler_names(self):
        preset = VERIFICATION.validate_python(
            {"scheme": "header-token", "header": "X-Ours", "prefix": "Token "}
        ).preset()
        assert verify(preset, request({"x-ours": f"token {SECRET}"}), secrets(SECRET), NOW) == ACCEPTED
        assert verify(preset, request({"x-ours": SECRET}), secrets(SECRET), NOW).reason == Reason.MALFORMED


class TestForms:
    def test_of_dropbox_sign_hold_json_in_a_field(self):
        event = {"event_time": str(NOW), "event_type": "signed"}
        event["event_hash"] = hexed(f"{NOW}signed".encode())
        text = json.dumps({"event": event})
        multipart = (
            '--b\r\nContent-Disposition: form-data; name="json"\r\n\r\n' + text + "\r\n"
            '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n\x00\r\n--b--\r\n'
        ).encode()
        for headers, body in [
            ({"Content-Type": "multipart/form-data; boundary=b"}, multipart),
            (FORM, urlencode({"json": text}).encode()),
            ({"Content-Type": "application/json"}, text.encode()),
        ]:
            assert check("dropbox-sign", headers, body) == ACCEPTED
            assert (
                check("dropbox-sign", headers, body.replace(b"signed", b"viewed")).reason == Reason.MISMATCH
            )

    def test_of_mailgun_hold_the_same_as_its_json(self):
        fields = {"timestamp": str(NOW), "token": "t" * 50, "signature": hexed(f"{NOW}{'t' * 50}".encode())}
        assert check("mailgun", FORM, urlencode(fields).encode()) == ACCEPTED
        assert check("mailgun", FORM, urlencode(fields).encode(), now=NOW + 301).reason == Reason.STALE
        assert check("mailgun", FORM, urlencode(fields | {"token": "u"}).encode()).reason == Reason.MISMATCH

    def test_that_are_cut_short_are_refused(self):
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        assert not check("dropbox-sign", headers, b"--b\r\nContent-Dispo").ok
        assert not check("dropbox-sign", headers, b"nothing of the kind").ok

    def test_of_adyen_hold_one_notification(self):
        item = {"NotificationRequestItem": {"pspReference": "1"}}
        body = json.dumps({"notificationItems": [item, item]}).encode()
        assert check("adyen", {}, body, key="00").reason == Reason.MALFORMED


class TestTwilio:
    TOKEN = "12345"

    def signed(self, text):
        return {"X-Twilio-Signature": b64(text.encode(), "sha1", self.TOKEN.encode())}

    def test_may_have_signed_the_address_with_or_without_its_port(self):
        body = urlencode({"b": "2", "a": "1"}).encode()
        for sent, called in [
            ("https://h.example/w", "https://h.example:443/w"),
            ("https://h.example:443/w", "https://h.example/w"),
        ]:
            headers = self.signed(f"{sent}a1b2") | FORM
            assert check("twilio", headers, body, key=self.TOKEN, url=called) == ACCEPTED

    def test_signs_values_once_and_sorted(self):
        headers = self.signed("https://h.example/wa1a2b3") | FORM
        assert (
            check("twilio", headers, b"b=3&a=2&a=1&a=2", key=self.TOKEN, url="https://h.example/w")
            == ACCEPTED
        )

    def test_vouches_for_json_by_a_digest_in_the_address(self):
        url = f"https://h.example/w?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
        assert check("twilio", self.signed(url), key=self.TOKEN, url=url) == ACCEPTED
        assert check("twilio", self.signed(url), b"{}", key=self.TOKEN, url=url).reason == Reason.MISMATCH

    def test_never_vouches_for_a_body_by_the_address_alone(self):
        url = "https://h.example/w"
        assert check("twilio", self.signed(url), key=self.TOKEN, url=url).reason == Reason.MALFORMED

    def test_is_verified_with_the_address_that_it_knows(self):
        verification = {"scheme": "twilio", "url": "https://public.example/in?x=1"}
        preset = VERIFICATION.validate_python(verification).preset()
        signed = request(
            self.signed("https://public.example/in?x=1a1") | FORM, b"a=1", url="http://10.0.0.1/"
        )
        assert verify(preset, signed, secrets(self.TOKEN), NOW) == ACCEPTED

    def test_adds_its_digest_to_the_address_that_it_knows(self):
        preset = VERIFICATION.validate_python(
            {"scheme": "twilio", "url": "https://public.example/in"}
        ).preset()
        query = f"bodySHA256={hashlib.sha256(BODY).hexdigest()}"
        headers = self.signed(f"https://public.example/in?{query}")
        signed = request(headers, BODY, url=f"http://10.0.0.1/webhook/a/b?{query}")
        assert verify(preset, signed, secrets(self.TOKEN), NOW) == ACCEPTED


class TestOddities:
    def test_hubspot_undoes_escapes_before_it_signs(self):
        url = "https://h.example/w?x=%40a%3Ab%20c"
        text = f"POSThttps://h.example/w?x=@a:b%20c{BODY.decode()}{MS}"
        headers = {"X-HubSpot-Signature-v3": b64(text.encode()), "X-HubSpot-Request-Timestamp": MS}
        assert check("hubspot", headers, url=url) == ACCEPTED

    def test_box_may_sign_with_either_key_but_not_in_the_future(self):
        headers = {
            "BOX-SIGNATURE-PRIMARY": b64(b"x"),
            "BOX-SIGNATURE-SECONDARY": b64(BODY + ISO.encode()),
            "BOX-DELIVERY-TIMESTAMP": ISO,
        }
        assert check("box", headers, now=NOW + 599) == ACCEPTED
        assert check("box", headers, now=NOW - 1).reason == Reason.STALE

    def test_contentful_has_to_sign_the_time_that_it_names(self):
        text = f"POST\n/webhook/acme/hook?x=1\ncontent-type:a\n{BODY.decode()}"
        headers = {
            "Content-Type": "a",
            "x-contentful-signed-headers": "content-type",
            "x-contentful-timestamp": MS,
            "x-contentful-signature": hexed(text.encode()),
        }
        assert check("contentful", headers).reason == Reason.MALFORMED


class TestPublicKeys:
    def test_of_rsa_are_taken_as_pem(self):
        key = rsa.generate_private_key(65537, 2048)
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        signature = base64.b64encode(key.sign(BODY, padding.PKCS1v15(), SHA256())).decode()
        for name, header in [("wise", "X-Signature-SHA256"), ("highlevel", "x-wh-signature")]:
            assert check(name, {header: signature}, key=pem) == ACCEPTED
            assert check(name, {header: signature}, BODY + b" ", key=pem).reason == Reason.MISMATCH
            assert check(name, {header: signature}, key="not a key").reason == Reason.NO_SECRET

    def test_of_rsa_need_2048_bits(self):
        key = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- it is what has to be refused
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        signature = base64.b64encode(key.sign(BODY, padding.PKCS1v15(), SHA256())).decode()
        assert check("wise", {"X-Signature-SHA256": signature}, key=pem).reason == Reason.MISMATCH

    @pytest.mark.parametrize(
        ("name", "join", "header", "moment", "encode", "spell"),
        [
            ("telnyx", b"|", "telnyx-signature-ed25519", "telnyx-timestamp", "b64", "b64"),
            ("discord-events", b"", "X-Signature-Ed25519", "X-Signature-Timestamp", "hex", "hex"),
        ],
    )
    def test_of_ed25519_are_taken_as_bytes(self, name, join, header, moment, encode, spell):
        key = ed25519.Ed25519PrivateKey.generate()
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signature = key.sign(str(NOW).encode() + join + BODY)
        spelt = {"hex": bytes.hex, "b64": lambda value: base64.b64encode(value).decode()}
        headers = {header: spelt[encode](signature), moment: str(NOW)}
        assert check(name, headers, key=spelt[spell](raw)) == ACCEPTED
        assert check(name, headers, key=spelt[spell](raw[:-1])).reason == Reason.NO_SECRET
        assert check(name, headers, now=NOW + 301, key=spelt[spell](raw)).reason == Reason.STALE

    @pytest.mark.parametrize("scheme", ["ed25519", "ecdsa-p256", "rsa-sha256"])
    def test_verify_for_senders_that_no_preset_knows(self, scheme):
        keys = {
            "ed25519": ed25519.Ed25519PrivateKey.generate(),
            "ecdsa-p256": ec.generate_private_key(ec.SECP256R1()),
            "rsa-sha256": rsa.generate_private_key(65537, 2048),
        }
        how = {
            "ed25519": (),
            "ecdsa-p256": (ec.ECDSA(SHA256()),),
            "rsa-sha256": (padding.PKCS1v15(), SHA256()),
        }
        key = keys.pop(scheme)
        headers = {"X-Signature": base64.b64encode(key.sign(BODY, *how[scheme])).decode()}
        preset = VERIFICATION.validate_python({"scheme": scheme}).preset()

        def spelt(public, encoding):
            made = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            return made.decode() if encoding is Encoding.PEM else base64.b64encode(made).decode()

        for encoding in (Encoding.PEM, Encoding.DER):
            mine = secrets(spelt(key.public_key(), encoding))
            assert verify(preset, request(headers, BODY), mine, NOW) == ACCEPTED
            assert verify(preset, request(headers, b"x"), mine, NOW).reason == Reason.MISMATCH
        for other in keys.values():
            theirs = secrets(spelt(other.public_key(), Encoding.PEM))
            assert verify(preset, request(headers, BODY), theirs, NOW).reason == Reason.NO_SECRET
