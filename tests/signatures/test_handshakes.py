"""Each question that a sender asks, and the answer that it documents."""

import base64
import hashlib
import hmac
import json
from urllib.parse import quote

import pytest

from app.signatures.catalogue import preset_of, schemes
from app.signatures.handshakes import answer
from app.signatures.verification import verify
from tests.signatures.requests import NOW, request, secrets

SECRET = "sekret"
KEY = SECRET.encode()


def get(query):
    return request(method="GET", url=f"https://h.example/w?{query}")


def post(body, **headers):
    pairs = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(pairs, json.dumps(body).encode())


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CRC = base64.b64encode(hmac.digest(KEY, b"c", "sha256")).decode()
PLAIN = hmac.new(KEY, b"p", "sha256").hexdigest()
BRAINTREE = hmac.new(hashlib.sha1(KEY).digest(), b"c", "sha1").hexdigest()  # noqa: S324 -- as it is done

UNSIGNED = {
    "meta": (get("hub.mode=subscribe&hub.verify_token=vt&hub.challenge=c"), 200, "c"),
    "microsoft-graph": (
        request(url="https://h.example/w?validationToken=" + quote("Validation: a b&c")),
        200,
        "Validation: a b&c",
    ),
    "microsoft-graph-rich": (request(url="https://h.example/w?validationToken=t"), 200, "t"),
    "x": (get("crc_token=c"), 200, {"response_token": f"sha256={CRC}"}),
    "dropbox": (get("challenge=c"), 200, "c"),
    "nylas": (get("challenge=c"), 200, "c"),
    "okta": (
        request({"X-Okta-Verification-Challenge": "c"}, method="GET"),
        200,
        {"verification": "c"},
    ),
    "cloudevents": (request({"WebHook-Request-Origin": "o.example"}, method="OPTIONS"), 200, ""),
    "websub": (get("hub.mode=subscribe&hub.topic=https%3A%2F%2Ft.example%2F&hub.challenge=c"), 200, "c"),
    "smartsheet": (
        post({"challenge": "c"}, Smartsheet_Hook_Challenge="c"),
        200,
        {"smartsheetHookResponse": "c"},
    ),
    "monday": (post({"challenge": "c"}), 200, {"challenge": "c"}),
    "braintree": (get("bt_challenge=c"), 200, f"pub|{BRAINTREE}"),
    "woocommerce": (request(FORM, b"webhook_id=7"), 200, ""),
    **dict.fromkeys(("intercom", "trello", "mandrill"), (request(method="HEAD"), 200, "")),
    "mailchimp": (request(method="GET"), 200, ""),
}
STORING = {
    "notion": (post({"verification_token": "secret_x"}), 200, ""),
    "asana": (request({"X-Hook-Secret": "secret_x"}), 200, ""),
}
SIGNED = {
    "slack": (post({"type": "url_verification", "challenge": "c"}), 200, {"challenge": "c"}),
    "zoom": (
        post({"event": "endpoint.url_validation", "payload": {"plainToken": "p"}}),
        200,
        {"plainToken": "p", "encryptedToken": PLAIN},
    ),
    "discord": (post({"type": 1}), 200, {"type": 1}),
    "discord-events": (post({"type": 0}), 204, ""),
    "twitch": (
        post({"challenge": "c"}, Twitch_Eventsub_Message_Type="webhook_callback_verification"),
        200,
        "c",
    ),
    "event-grid": (
        post([{"data": {"validationCode": "c"}}], aeg_event_type="SubscriptionValidation"),
        200,
        {"validationResponse": "c"},
    ),
    "google-channel": (post({}, X_Goog_Resource_State="sync"), 200, ""),
    "sns": (
        post({"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.eu.amazonaws.com/?T=t"}),
        200,
        "",
    ),
}
PARAMETERS = {
    "websub": {"topic": "https://t.example/"},
    "braintree": {"publicKey": "pub"},
    "sns": {"topicArns": ["a"]},
}


def ask(name, asked, *, is_verified=False, keys=(SECRET,), tokens=("vt",)):
    preset = preset_of(name, PARAMETERS.get(name))
    return answer(preset, asked, secrets(*keys), is_verified=is_verified, verify_tokens=secrets(*tokens))


def says(given, status, expected):
    assert given is not None
    body = given.body.decode()
    if isinstance(expected, dict):
        assert given.headers["content-type"] == "application/json"
        body = json.loads(body)
    assert (given.status, body) == (status, expected)
    assert given.headers["x-content-type-options"] == "nosniff"


def test_every_handshake_is_tried():
    tried = UNSIGNED.keys() | STORING.keys() | SIGNED.keys()
    assert tried == {name for name, preset in schemes().items() if preset.handshakes}
    assert len(tried) >= 25


class TestUnsigned:
    @pytest.mark.parametrize("name", UNSIGNED)
    def test_is_answered_as_documented(self, name):
        asked, status, expected = UNSIGNED[name]
        says(ask(name, asked), status, expected)
        assert asked.method in preset_of(name).handshake_methods

    @pytest.mark.parametrize("name", UNSIGNED)
    def test_is_none_of_another_method(self, name):
        asked, _, _ = UNSIGNED[name]
        assert ask(name, request(asked.headers and [], asked.body, method="PATCH", url=asked.url)) is None

    @pytest.mark.parametrize("name", [*UNSIGNED, *STORING, *SIGNED])
    def test_is_no_ordinary_delivery(self, name):
        delivery = post({"type": "event_callback", "event": "x", "value": []})
        for is_verified in (True, False):
            assert ask(name, delivery, is_verified=is_verified, keys=()) is None


class TestSigned:
    @pytest.mark.parametrize("name", SIGNED)
    def test_is_answered_once_it_is_verified(self, name):
        asked, status, expected = SIGNED[name]
        says(ask(name, asked, is_verified=True), status, expected)
        assert ask(name, asked, is_verified=False) is None

    def test_of_slack_is_refused_with_a_wrong_signature(self):
        asked, _, _ = SIGNED["slack"]
        assert not verify(preset_of("slack"), asked, secrets(SECRET), NOW).ok


class TestStoring:
    @pytest.mark.parametrize("name", STORING)
    def test_gives_a_handler_its_first_secret(self, name):
        asked, status, expected = STORING[name]
        given = ask(name, asked, keys=())
        says(given, status, expected)
        assert given.store.reveal() == "secret_x"
        assert "secret_x" not in repr(given.store)

    @pytest.mark.parametrize("name", STORING)
    def test_never_exchanges_it(self, name):
        asked, _, _ = STORING[name]
        assert ask(name, asked) is None
        assert not verify(preset_of(name), asked, secrets(SECRET), NOW).ok

    def test_of_asana_returns_the_header(self):
        asked, _, _ = STORING["asana"]
        assert ask("asana", asked, keys=()).headers["x-hook-secret"] == "secret_x"


class TestVerifyToken:
    @pytest.mark.parametrize("token", ["", "VT", "vt2", "v", "sekret"])
    def test_that_is_another_gets_403(self, token):
        given = ask("meta", get(f"hub.mode=subscribe&hub.challenge=c&hub.verify_token={token}x"))
        assert (given.status, given.body) == (403, b"")

    def test_may_be_the_one_that_is_replaced(self):
        asked, status, expected = UNSIGNED["meta"]
        says(ask("meta", asked, tokens=("new", "vt")), status, expected)

    def test_is_needed(self):
        asked, _, _ = UNSIGNED["meta"]
        assert ask("meta", asked, tokens=()).status == 403
        assert ask("meta", asked, tokens=("",)).status == 403
        assert ask("meta", get("hub.mode=subscribe&hub.challenge=c")) is None
        assert preset_of("meta").verify_token_key == "WEBHOOK_VERIFY_TOKEN"
        assert preset_of("slack").verify_token_key is None


class TestAnswer:
    def test_echoes_no_header_that_could_split_it(self):
        asked = request({"Smartsheet-Hook-Challenge": "c\r\nSet-Cookie: a=b"})
        assert ask("smartsheet", asked) is None
        assert ask("smartsheet", request({"Smartsheet-Hook-Challenge": "é"})) is None

    def test_echoes_nothing_that_a_browser_takes_for_a_page(self):
        given = ask("dropbox", get("challenge=%3Cscript%3E"))
        assert given.headers["content-type"].startswith("text/plain")
        assert given.headers["content-security-policy"] == "default-src 'none'"

    def test_echoes_a_bounded_amount(self):
        assert ask("dropbox", get("challenge=" + "c" * 8193)) is None

    def test_takes_an_ambiguous_question_for_none(self):
        assert ask("dropbox", get("challenge=a&challenge=b")) is None

    def test_confirms_no_topic_that_was_not_subscribed_to(self):
        query = "hub.mode=subscribe&hub.topic=https%3A%2F%2Fevil.example%2F&hub.challenge=c"
        assert ask("websub", get(query)) is None
        assert ask("websub", get(query.replace("subscribe", "unsubscribe"))) is None

    def test_needs_the_secret_that_it_proves(self):
        for name in ("x", "braintree"):
            assert ask(name, UNSIGNED[name][0], keys=()) is None

    def test_allows_an_origin_to_send(self):
        headers = ask("cloudevents", UNSIGNED["cloudevents"][0]).headers
        assert headers["webhook-allowed-origin"] == "o.example"
        assert "POST" in headers["allow"]

    def test_of_smartsheet_repeats_the_challenge_in_a_header(self):
        assert ask("smartsheet", UNSIGNED["smartsheet"][0]).headers["smartsheet-hook-response"] == "c"
