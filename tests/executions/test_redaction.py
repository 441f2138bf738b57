import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.secret import Secret
from app.executions.redaction import MARK, MAX_REDACTORS, Redactor, Redactors

VALUE = 's3cr/t "kéy"+&<x>?~'


def redactor(*values, sensitive=()):
    return Redactor([Secret(value) for value in values], sensitive)


class TestBody:
    @pytest.mark.parametrize(
        "spelling",
        [
            VALUE,
            base64.b64encode(VALUE.encode()).decode(),
            base64.b64encode(VALUE.encode()).decode().rstrip("="),
            base64.urlsafe_b64encode(VALUE.encode()).decode(),
            quote(VALUE),
            quote(VALUE, safe=""),
            quote(VALUE, safe="").replace("%2F", "%2f").replace("%C3%A9", "%c3%a9").lower(),
            quote_plus(VALUE),
            json.dumps(VALUE)[1:-1],
            json.dumps(VALUE, ensure_ascii=False)[1:-1],
            json.dumps(VALUE)[1:-1].replace("/", "\\/"),
            json.dumps(VALUE)[1:-1].replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
        ],
    )
    def test_loses_every_spelling_of_a_secret(self, spelling):
        body = f"before {spelling} between {spelling} after".encode()
        assert redactor(VALUE).body(body) == f"before {MARK} between {MARK} after".encode()

    def test_loses_the_pair_of_basic_authentication(self):
        pair = "user:password"
        encoded = base64.b64encode(pair.encode())
        assert redactor(pair).body(b'{"authorization": "Basic ' + encoded + b'"}') == (
            b'{"authorization": "Basic [redacted]"}'
        )

    def test_without_a_secret_is_untouched(self):
        body = b"\xff\x00 nothing in here"
        assert redactor("other").body(body) is body
        assert redactor().body(body) is body

    def test_loses_bytes_that_are_no_text(self):
        assert redactor("secret").body(b"\xff\xfesecret\x00") == b"\xff\xfe[redacted]\x00"

    def test_leaves_no_half_of_secrets_that_overlap(self):
        assert redactor("abcdef", "defghi", "abcd").body(b"<abcdefghi>") == b"<[redacted]>"
        assert redactor("aaaa").body(b"<aaaaaa>") == b"<[redacted]>"

    def test_is_not_torn_apart_by_a_short_secret(self):
        assert redactor("a", "ab", "abc").body(b"abc abracadabra") == b"abc abracadabra"

    @given(st.lists(st.text(min_size=4), min_size=1, max_size=4), st.data())
    def test_holds_no_secret_afterwards(self, values, data):
        filler = st.text(max_size=10)
        body = data.draw(filler)
        for value in values:
            assume(all(character not in MARK for character in value))
            spellings = [value, json.dumps(value)[1:-1], quote(value), urlencode({"k": value})]
            body += data.draw(st.sampled_from(spellings)) + data.draw(filler)
        redacted = redactor(*values).text(body)
        assert not any(value in redacted for value in values)
        assert MARK in redacted

    @given(st.text(), st.text())
    def test_keeps_what_stands_around(self, before, after):
        assume("0123456789" not in before + after)
        assert redactor("0123456789").text(f"{before}0123456789{after}") == f"{before}{MARK}{after}"


class TestText:
    def test_loses_a_secret_of_a_url(self):
        url = f"https://h.example/x?key={quote(VALUE, safe='')}&y=1"
        assert redactor(VALUE).text(url) == f"https://h.example/x?key={MARK}&y=1"

    def test_survives_a_lone_surrogate(self):
        assert redactor("secret").text("\ud800secret") == f"\ud800{MARK}"


class TestHeaders:
    def test_lose_sensitive_values_whatever_they_are(self):
        headers = [("AUTHORIZATION", "x"), ("Set-Cookie", "a=b"), ("X-Own", "y"), ("Accept", "*/*")]
        assert redactor(sensitive=["x-OWN"]).headers(headers) == [
            ("AUTHORIZATION", MARK),
            ("Set-Cookie", MARK),
            ("X-Own", MARK),
            ("Accept", "*/*"),
        ]

    def test_lose_secrets_in_other_headers(self):
        assert redactor("s3cret").headers([("X-Echo", "got s3cret"), ("X-Echo", "fine")]) == [
            ("X-Echo", f"got {MARK}"),
            ("X-Echo", "fine"),
        ]


class TestRedactor:
    def test_does_not_show_what_it_looks_for(self):
        assert "s3cret" not in repr(redactor("s3cret"))


class TestRedactors:
    def test_are_made_once_for_the_same_secrets_that_are_kept(self):
        one, other = Secret("first-value"), Secret("other-value")
        redactors = Redactors([one, other])
        assert redactors.of([one, other]) is redactors.of([other, one])
        assert redactors.of([one]).text("first-value other-value") == f"{MARK} other-value"
        assert redactors.of([one, other]).text("first-value other-value") == f"{MARK} {MARK}"

    def test_are_made_anew_for_secrets_that_are_not_kept(self):
        """Those are gone after the call, and what comes then may stand where they stood."""
        kept = Secret("first-value")
        redactors = Redactors([kept])
        for number in range(100):
            made = Secret(f"value-{number}")
            assert redactors.of([kept, made]).text(f"value-{number} first-value") == f"{MARK} {MARK}"
            del made

    def test_without_secrets_know_what_is_sensitive_by_name(self):
        assert Redactors().of([]).headers([("Set-Cookie", "a"), ("X", "a")]) == [
            ("Set-Cookie", MARK),
            ("X", "a"),
        ]

    def test_are_kept_for_so_many_sets_at_most(self):
        secrets = [Secret(f"value-{number}") for number in range(MAX_REDACTORS * 2)]
        redactors = Redactors(secrets)
        for secret in secrets:
            assert redactors.of([secret]).text(secret.reveal()) == MARK
        assert redactors.of(secrets[:1]) is redactors.of(secrets[:1])
        assert redactors.of(secrets[-1:]) is not redactors.of(secrets[-1:])
