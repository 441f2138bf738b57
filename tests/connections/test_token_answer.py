"""Each way in which providers put a token answer."""

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connections.token_answer import ExpirySource, Tokens, read_answer
from app.connections.token_errors import Refusal
from app.connectors.oauth2 import ErrorClass, OAuth2

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def oauth(**more) -> OAuth2:
    return OAuth2.model_validate_json(
        orjson.dumps({"token": {"url": "https://id.example.com/token"}, **more})
    )


def answer(**fields) -> OAuth2:
    return oauth(answer=fields)


def said(body, record=None, status=200):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_answer(record or oauth(), status, raw, NOW)


def tokens(body, record=None, status=200) -> Tokens:
    found = said(body, record, status)
    assert isinstance(found, Tokens), found
    return found


def jwt(**claims) -> str:
    return f"e30.{base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip('=')}.c2ln"


class TestShape:
    @pytest.mark.parametrize(
        ("body", "record"),
        [
            ({"access_token": "at", "refresh_token": "rt"}, oauth()),
            (b'\xef\xbb\xbf {"access_token": "at", "refresh_token": "rt"} ', oauth()),
            (b"access_token=at&refresh_token=rt&scope=", oauth()),
            (b'callback( {"access_token": "at", "refresh_token": "rt"} );', oauth()),
            ({"data": {"access_token": "at", "refresh_token": "rt"}, "code": 0}, answer(root="data")),
            (
                {"ok": True, "authed_user": {"access_token": "at", "refresh_token": "rt"}},
                answer(root="authed_user", okWhen={"ok": True}),
            ),
            (
                {"access_token": {"token": "at"}, "refresh_token": "rt"},
                answer(accessToken="access_token.token"),
            ),
            (
                {"token": "at", "refreshToken": "rt"},
                answer(accessToken="token", refreshToken="refreshToken"),
            ),
            ({"list": [{"at": "at", "rt": "rt"}]}, answer(accessToken="list.0.at", refreshToken="list.0.rt")),
        ],
    )
    def test_is_found_where_the_record_says(self, body, record):
        found = tokens(body, record)
        assert (found.access.reveal(), found.refresh.reveal()) == ("at", "rt")

    def test_may_have_another_status_of_success(self):
        assert tokens({"access_token": "at"}, status=201).access.reveal() == "at"

    @pytest.mark.parametrize("junk", [None, "", False, 0, [], " ", "a b\n", "ü"])
    def test_without_a_usable_refresh_token_has_none(self, junk):
        assert tokens({"access_token": "at", "refresh_token": junk}).refresh is None

    @pytest.mark.parametrize("junk", [None, "", False, 7, {}, " at", "a\nb", "x" * 40_000])
    def test_without_a_usable_access_token_is_none(self, junk):
        found = said({"access_token": junk})
        assert (found.means, found.is_answer) == (ErrorClass.REQUEST_BAD, True)

    @pytest.mark.parametrize("body", [b"", b"<html>ok</html>", b"[]", b"null", b"\xff\xfe", b"{", b"3"])
    def test_that_is_none_is_an_error_whatever_the_status(self, body):
        assert isinstance(said(body), Refusal)

    def test_with_an_error_beside_a_good_token_is_good(self):
        assert tokens({"access_token": "at", "error": None}).access.reveal() == "at"

    def test_keeps_what_is_needed_later(self):
        record = answer(keep=["instance_url", "team.id", "missing", "flag"])
        body = {"access_token": "at", "instance_url": "https://x", "team": {"id": 7}, "flag": True}
        assert tokens(body, record).kept == {"instance_url": "https://x", "id": "7"}

    def test_shows_no_token(self):
        found = tokens({"access_token": "canary-1", "refresh_token": "canary-2"})
        assert "canary" not in repr(found)

    @given(st.binary(max_size=200), st.integers(200, 599))
    def test_of_any_bytes_is_read(self, body, status):
        said(body, status=status)

    @given(
        st.dictionaries(
            st.sampled_from(["access_token", "expires_in", "scope", "error"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
        )
    )
    def test_of_any_fields_is_read(self, fields):
        raw = (
            orjson.dumps(fields, default=str)
            if not any(isinstance(one, int) and abs(one) >= 2**63 for one in fields.values())
            else b"{}"
        )
        said(raw, answer(expiresAt="expires_in"))


class TestExpiry:
    @pytest.mark.parametrize(
        ("fields", "record", "seconds"),
        [
            ({"expires_in": 3600}, oauth(), 3600),
            ({"expires_in": "3600"}, oauth(), 3600),
            ({"expires_in": 3600.5}, oauth(), 3600.5),
            ({"expires": 60}, answer(expiresIn="expires"), 60),
            ({"expires_in": 60_000}, answer(expiresUnit="milliseconds"), 60),
            ({"expires_in": "1:02:30"}, oauth(), 86_400 + 2 * 3600 + 30 * 60),
            ({"expires_at": NOW.timestamp() + 5}, answer(expiresAt="expires_at"), 5),
            ({"expires_at": (NOW.timestamp() + 5) * 1000}, answer(expiresAt="expires_at"), 5),
            ({"expires_at": "2026-01-01T00:00:05Z"}, answer(expiresAt="expires_at"), 5),
            ({"expires_at": "2026-01-01T00:00:05"}, answer(expiresAt="expires_at"), 5),
            ({"expires_at": "2026-01-01T01:00:05+01:00"}, answer(expiresAt="expires_at"), 5),
            ({"expires_at": "soon", "expires_in": 9}, answer(expiresAt="expires_at"), 9),
        ],
    )
    def test_is_read_in_every_unit(self, fields, record, seconds):
        found = tokens({"access_token": "at", **fields}, record)
        assert found.expires_at == NOW + timedelta(seconds=seconds)
        assert found.expiry_source is ExpirySource.ANSWER

    @pytest.mark.parametrize("junk", [None, "", "never", -1, True, [], {}, 0, "nan", "inf", 10**12])
    def test_that_says_nothing_is_unknown(self, junk):
        assert tokens({"access_token": "at", "expires_in": junk}).expires_at is None

    def test_of_nought_may_mean_never(self):
        found = tokens({"access_token": "at", "expires_in": 0}, answer(zeroMeansNever=True))
        assert (found.expires_at, found.expiry_source) == (None, ExpirySource.ANSWER)

    def test_is_that_of_the_token_where_the_answer_has_none(self):
        found = tokens({"access_token": jwt(exp=NOW.timestamp() + 60)})
        assert (found.expires_at, found.expiry_source) == (NOW + timedelta(seconds=60), ExpirySource.JWT)

    @pytest.mark.parametrize(
        "token", ["a.b.c", "a.e30.c", "..", "a.!!!.c", "a.W10.c", jwt(exp="x"), jwt(exp=[])]
    )
    def test_of_what_only_looks_like_a_token_of_this_kind_is_unknown(self, token):
        assert tokens({"access_token": token}).expiry_source is ExpirySource.UNKNOWN

    def test_is_at_last_what_the_record_knows(self):
        found = tokens({"access_token": "at"}, answer(defaultLifetimeSeconds=7200))
        assert (found.expires_at, found.expiry_source) == (
            NOW + timedelta(hours=2),
            ExpirySource.CATALOGUE,
        )


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "record", "expected"),
        [
            ("read write", oauth(), ("read", "write")),
            ("read,write", oauth(), ("read", "write")),
            (["read", "write"], oauth(), ("read", "write")),
            (
                "read|write all",
                oauth(authorize={"url": "https://a.example.com", "scopeSeparator": "|"}),
                ("read", "write all"),
            ),
            ("", oauth(), None),
            (None, oauth(), None),
            (7, oauth(), None),
        ],
    )
    def test_are_taken_apart(self, scope, record, expected):
        assert tokens({"access_token": "at", "scope": scope}, record).scopes == expected


GITHUB = oauth(errors=[{"error": ["bad_verification_code"], "means": "request_bad"}])
SLACK = answer(okWhen={"ok": True})
ATLASSIAN = oauth(errors=[{"status": 403, "error": ["invalid_grant"], "means": "grant_dead"}])
EXACT = oauth(errors=[{"contains": "old refresh token used", "means": "grant_dead"}])
WITHINGS = answer(root="body", okWhen={"status": 0}, error="status")
FACEBOOK = answer(error="error.code", errorDescription="error.message")


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "record", "means"),
        [
            (400, {"error": "invalid_grant"}, oauth(), "grant_dead"),
            (403, {"error": "invalid_grant"}, ATLASSIAN, "grant_dead"),
            (200, {"error": "bad_refresh_token"}, GITHUB, "grant_dead"),
            (200, {"error": "bad_verification_code"}, GITHUB, "request_bad"),
            (200, {"ok": False, "error": "invalid_refresh_token"}, SLACK, "grant_dead"),
            (200, {"ok": False, "error": "token_revoked", "access_token": "at"}, SLACK, "grant_dead"),
            (
                401,
                {"error": "unauthorized_client", "error_description": "Old refresh token used."},
                EXACT,
                "grant_dead",
            ),
            (401, {"error": "unauthorized_client"}, EXACT, "client_bad"),
            (200, {"status": 601, "body": {}}, WITHINGS, "request_bad"),
            (400, {"error": {"code": 190, "message": "dead"}}, FACEBOOK, "request_bad"),
            (400, {"errors": [{"errorType": "invalid_grant"}]}, oauth(), "grant_dead"),
            (400, {"status": "BAD_REFRESH_TOKEN"}, oauth(), "grant_dead"),
            (400, {"error": "consent_required"}, oauth(), "interaction_required"),
            (400, {"error": "interaction_required"}, oauth(), "interaction_required"),
            (401, {"error": "invalid_client"}, oauth(), "client_bad"),
            (401, b"", oauth(), "client_bad"),
            (400, b"", oauth(), "request_bad"),
            (400, {"error": "invalid_request"}, oauth(), "request_bad"),
            (400, {"error": "invalid_scope"}, oauth(), "request_bad"),
            (404, b"<html>", oauth(), "request_bad"),
            (429, {"error": "invalid_grant"}, oauth(), "rate_limited"),
            (400, {"error": "slow_down"}, oauth(), "rate_limited"),
            (
                400,
                {"error": "access_denied", "error_description": "You have made too many requests"},
                oauth(),
                "rate_limited",
            ),
            (500, b"<html>oops</html>", oauth(), "transient"),
            (503, b"", oauth(), "transient"),
            (408, b"", oauth(), "transient"),
            (400, {"error": "temporarily_unavailable"}, oauth(), "transient"),
            (500, {"error": "invalid_grant"}, oauth(), "grant_dead"),
            (200, {"hello": "world"}, oauth(), "request_bad"),
        ],
    )
    def test_mean_what_they_mean(self, status, body, record, means):
        found = said(body, record, status)
        assert isinstance(found, Refusal)
        assert found.means == means

    def test_are_told_in_the_providers_words_cut_short(self):
        found = said({"error": "x" * 900, "error_description": "y" * 900}, status=400)
        assert (len(found.code), len(found.description)) == (200, 200)

    def test_come_with_numbers_too(self):
        assert said({"error": 1101, "error_description": "no"}, status=400).code == "1101"
