"""Every preset is complete and relies on nothing that is not signed."""

import re
from collections import Counter

import pytest

from app.handlers.scheme_parameters import parameters_model
from app.signatures.catalogue import UnknownScheme, preset_of, schemes
from app.signatures.jwt import ALGORITHMS
from app.signatures.messages import BODY_TOKENS, URL_TOKENS, Token
from app.signatures.request import Source

NAMES = [*schemes()]
TOKENS = {
    name for name, preset in schemes().items() if preset.signing and preset.signing.algorithm == "token"
}

SIGNS_NO_BODY = {
    "mailgun": "time and token, of which the token is the delivery's id",
    "dropbox-sign": "time and type of the event",
    "adyen": "eight fields of the notification",
    "braintree": "the field bt_payload",
}
"""Why a signature may leave bytes of the body out: it is what the sender does."""
VOUCHES_FOR_NO_BODY = {"monday", "google-pubsub", "microsoft-graph-rich"}
"""Tokens that prove the sender alone."""

preset_names = pytest.mark.parametrize("name", NAMES)


def parts(preset):
    return [part for message in preset.signing.messages for part in message] if preset.signing else []


class TestTheCatalogue:
    def test_knows_sixty_providers_and_more(self):
        assert len([preset for preset in schemes().values() if not preset.is_generic]) >= 100

    def test_knows_twenty_handshakes_and_more(self):
        asked = [name for name, preset in schemes().items() if preset.handshakes]
        assert len(asked) >= 25
        assert {
            *(
                "slack",
                "zoom",
                "meta",
                "microsoft-graph",
                "x",
                "dropbox",
                "notion",
                "asana",
                "twitch",
                "okta",
            ),
            *("event-grid", "cloudevents", "sns", "websub", "nylas", "smartsheet", "discord"),
            *("discord-events", "monday", "braintree", "intercom", "trello", "mandrill", "google-channel"),
            "woocommerce",
        } <= set(asked)

    def test_refuses_a_name_that_it_does_not_know(self):
        with pytest.raises(UnknownScheme):
            preset_of("acme")

    def test_calls_no_two_presets_the_same(self):
        titles = Counter(preset.title for preset in schemes().values())
        assert [title for title, count in titles.items() if count > 1] == []


@preset_names
class TestEachPreset:
    def test_is_told_to_people(self, name):
        preset = preset_of(name)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert preset.title
        assert re.fullmatch(r"https://\S+", preset.docs)
        assert preset.note == "" or preset.note.endswith((".", "`."))
        assert preset.evidence in {"checked", "documented", "reported", "unconfirmed"}

    def test_verifies_something(self, name):
        preset = preset_of(name)
        assert preset.signing or preset.jwt or preset.named
        assert not preset.needs_access_token

    def test_covers_the_body_or_says_why_not(self, name):
        preset = preset_of(name)
        if preset.signing and name not in TOKENS:
            assert set(parts(preset)) & BODY_TOKENS or name in SIGNS_NO_BODY
        if preset.jwt:
            assert preset.jwt.body_claim or name in VOUCHES_FOR_NO_BODY

    def test_relies_on_no_moment_that_is_not_signed(self, name):
        signing = preset_of(name).signing
        if signing is None or signing.timestamp is None:
            assert Token.TIMESTAMP not in parts(preset_of(name))
            return
        is_in_body = all(source.kind in {"json", "form"} for source in signing.timestamp.sources)
        is_signed = all(
            {Token.TIMESTAMP, Token.SIGNED_HEADERS} & set(message) for message in signing.messages
        )
        assert is_signed or (is_in_body and all(Token.RAW in message for message in signing.messages))

    def test_reads_the_id_that_it_signs(self, name):
        signing = preset_of(name).signing
        if signing:
            assert (Token.ID in parts(preset_of(name))) == bool(signing.ids)
            assert (Token.SIGNED_HEADERS in parts(preset_of(name))) == bool(signing.signed_headers)

    def test_tells_deliveries_apart_or_says_why_not(self, name):
        preset = preset_of(name)
        assert bool(preset.dedup) != bool(preset.no_dedup)
        assert all(template for template in preset.dedup)
        assert all(
            isinstance(part, Source | bytes) or part in BODY_TOKENS for one in preset.dedup for part in one
        )

    def test_takes_a_tolerance_that_a_handler_could_ask_for(self, name):
        assert 1 <= preset_of(name).tolerance <= 86_400

    def test_names_algorithms_that_there_are(self, name):
        rules = preset_of(name).jwt
        if rules:
            assert set(rules.algorithms) <= ALGORITHMS.keys()
            assert (rules.jwks is None) == (rules.hosts is None)
            assert rules.jwks is None or not any(one.startswith("HS") for one in rules.algorithms)

    def test_asks_for_parameters_by_sentences(self, name):
        for key, parameter in preset_of(name).parameters.items():
            assert re.fullmatch(r"[a-z][A-Za-z0-9]*", key)
            assert parameter.about.endswith(".")
            assert parameter.kind in {"text", "header", "url", "list", "key"}

    def test_takes_a_url_where_it_signs_one(self, name):
        signs_url = bool(set(parts(preset_of(name))) & URL_TOKENS)
        if signs_url:
            assert "url" in parameters_model(name).model_fields

    def test_asks_its_handshakes_by_methods_of_http(self, name):
        for handshake in preset_of(name).handshakes:
            assert handshake.title
            assert set(handshake.methods) <= {"GET", "HEAD", "POST", "OPTIONS"}
            assert handshake.when or handshake.methods != ("POST",)
            assert not (handshake.store and handshake.is_signed)
            assert not handshake.confirm or (handshake.is_signed and preset_of(name).hosts)
