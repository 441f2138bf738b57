"""Tokens that vouch for a request, made here with the library's other half."""

import base64
import hashlib
import hmac
import json
import warnings

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from app.handlers.verification import VERIFICATION
from app.signatures.catalogue import preset_of
from app.signatures.verdict import Reason
from app.signatures.verification import verify, verify_with_keys
from tests.signatures.published import Published
from tests.signatures.requests import ACCEPTED, NOW, URL, request, secrets

pytestmark = pytest.mark.anyio

SECRET = "a-secret-of-more-than-fourteen-bytes"
BODY = b'{"id":"1"}'
HEX = hashlib.sha256(BODY).hexdigest()
B64 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


@pytest.fixture(scope="module")
def rsa():
    return RSAKey.generate_key(2048, parameters={"kid": "k1"})


@pytest.fixture(scope="module")
def ec():
    return ECKey.generate_key("P-256", parameters={"kid": "e1"})


def token(claims, key=None, alg="HS256", **header):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.encode({"alg": alg, **header}, claims, key or OctKey.import_key(SECRET), algorithms=[alg])


def check(scheme, headers, body=BODY, *, key=SECRET, now=NOW, **values):
    return verify(preset_of(scheme, values), request(headers, body), secrets(key), now)


SHARED = {
    "netlify": ("X-Webhook-Signature", "", {"iss": "netlify", "sha256": HEX}),
    "livekit": ("Authorization", "", {"iss": "api", "sha256": B64, "exp": NOW + 60}),
    "vonage": ("Authorization", "Bearer ", {"iat": NOW, "jti": "1", "payload_hash": HEX}),
    "messagebird": (
        "MessageBird-Signature-JWT",
        "",
        {
            "iss": "MessageBird",
            "exp": NOW + 60,
            "nbf": NOW,
            "payload_hash": HEX,
            "url_hash": hashlib.sha256(URL.encode()).hexdigest(),
        },
    ),
    "fusionauth": ("X-FusionAuth-Signature-JWT", "", {"request_body_sha256": B64}),
}


@pytest.mark.parametrize("scheme", SHARED)
class TestSharedKey:
    def test_accepts_what_the_sender_signs(self, scheme):
        name, prefix, claims = SHARED[scheme]
        assert check(scheme, {name: prefix + token(claims)}) == ACCEPTED

    def test_refuses_another_body_key_or_no_digest(self, scheme):
        name, prefix, claims = SHARED[scheme]
        good = {name: prefix + token(claims)}
        assert check(scheme, good, b"{}").reason == Reason.MISMATCH
        assert check(scheme, good, key="another-secret-of-some-length").reason == Reason.MISMATCH
        assert check(scheme, good, key="short").reason == Reason.NO_SECRET
        digests = {"sha256", "payload_hash", "request_body_sha256"}
        bare = {key: value for key, value in claims.items() if key not in digests}
        assert check(scheme, {name: prefix + token(bare)}).reason == Reason.MISMATCH

    def test_refuses_a_header_missing_doubled_or_cut_short(self, scheme):
        name, prefix, claims = SHARED[scheme]
        text = prefix + token(claims)
        assert check(scheme, {}).reason == Reason.MISSING_HEADER
        assert check(scheme, [(name, text), (name, text)]).reason == Reason.MALFORMED
        assert check(scheme, {name: text[:-8]}).reason == Reason.MISMATCH
        assert check(scheme, {name: text.rpartition(".")[0]}).reason == Reason.MALFORMED

    def test_refuses_other_algorithms(self, scheme):
        name, prefix, claims = SHARED[scheme]
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        payload = token(claims).split(".")[1]
        assert check(scheme, {name: f"{prefix}{none}.{payload}."}).reason == Reason.MALFORMED


class TestClaims:
    @pytest.mark.parametrize(
        ("scheme", "claims", "reason"),
        [
            ("netlify", {"iss": "other", "sha256": HEX}, Reason.MISMATCH),
            ("netlify", {"sha256": HEX}, Reason.MISMATCH),
            ("netlify", {"iss": "netlify", "sha256": HEX, "exp": NOW - 61}, Reason.STALE),
            ("netlify", {"iss": "netlify", "sha256": HEX, "exp": "soon"}, Reason.MALFORMED),
            ("netlify", {"iss": "netlify", "sha256": HEX, "nbf": NOW + 61}, Reason.STALE),
            ("netlify", {"iss": "netlify", "sha256": 5}, Reason.MISMATCH),
            ("monday", {"iss": "x"}, Reason.MALFORMED),
        ],
    )
    def test_are_refused(self, scheme, claims, reason):
        name = {"netlify": "X-Webhook-Signature", "monday": "Authorization"}[scheme]
        assert check(scheme, {name: token(claims)}).reason == reason

    def test_of_monday_need_not_vouch_for_a_body(self):
        assert check("monday", {"Authorization": token({"exp": NOW + 60})}) == ACCEPTED

    def test_of_another_api_key_are_refused(self):
        good = {"Authorization": token({"iss": "api", "sha256": B64})}
        assert check("livekit", good, apiKey="api") == ACCEPTED
        assert check("livekit", good, apiKey="other").reason == Reason.MISMATCH

    @pytest.mark.parametrize("age", [-301, 301])
    def test_of_another_time_are_refused(self, age):
        good = {"Authorization": "Bearer " + token({"iat": NOW - age, "payload_hash": HEX})}
        assert check("vonage", good).reason == Reason.STALE
        none = {"Authorization": "Bearer " + token({"payload_hash": HEX})}
        assert check("vonage", none).reason == Reason.MALFORMED


class TestPublicKeys:
    def test_are_taken_as_jwk_and_jwks(self, ec):
        claims = {"iat": NOW, "request_body_sha256": HEX}
        signed = {"Plaid-Verification": token(claims, ec, "ES256", kid="e1")}
        single = json.dumps(ec.as_dict(private=False))
        several = json.dumps(KeySet([ECKey.generate_key("P-256"), ec]).as_dict(private=False))
        assert check("plaid", signed, key=single) == ACCEPTED
        assert check("plaid", signed, key=several) == ACCEPTED
        assert check("plaid", signed, b"{}", key=single).reason == Reason.MISMATCH
        assert check("plaid", signed, key=single, now=NOW + 301).reason == Reason.STALE
        other = json.dumps(ECKey.generate_key("P-256", parameters={"kid": "e1"}).as_dict(private=False))
        assert check("plaid", signed, key=other).reason == Reason.MISMATCH

    def test_are_never_used_as_shared_ones(self, rsa):
        """The classic confusion: a token signed with the public key's text, as if it were a secret."""
        pem = rsa.as_pem(private=False).decode()
        text = token({"request_body_sha256": B64}).rpartition(".")[0]
        mac = hmac.digest(pem.strip().encode(), text.encode(), "sha256")
        forged = f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        assert check("fusionauth", {"X-FusionAuth-Signature-JWT": forged}, key=pem).reason == Reason.NO_SECRET

    @pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
    def test_are_taken_as_pem(self, rsa, ec, alg):
        key = {"RS256": rsa, "ES256": ec, "EdDSA": OKPKey.generate_key("Ed25519")}[alg]
        signed = {"X-FusionAuth-Signature-JWT": token({"request_body_sha256": B64}, key, alg)}
        assert check("fusionauth", signed, key=key.as_pem(private=False).decode()) == ACCEPTED

    @pytest.mark.parametrize(
        "text", ["{}", "{", '{"keys": 1}', '{"kty": "EC", "crv": "P-9"}', "-----BEGIN X"]
    )
    def test_that_are_none_are_no_secret(self, ec, text):
        signed = {"Plaid-Verification": token({"iat": NOW, "request_body_sha256": HEX}, ec, "ES256")}
        assert check("plaid", signed, key=text).reason == Reason.NO_SECRET


class TestPublishedKeys:
    JWKS = "https://www.googleapis.com/oauth2/v3/certs"
    PRESET = preset_of("google-pubsub", {"audience": "https://us", "email": "push@google.example"})

    def claims(self, **changes):
        return {
            "iss": "https://accounts.google.com",
            "aud": "https://us",
            "email": "push@google.example",
            "email_verified": True,
            "exp": NOW + 60,
            "iat": NOW,
        } | changes

    def keys(self, *keys):
        return json.dumps(KeySet([*keys]).as_dict(private=False)).encode()

    async def check(self, claims, key, source, *, now=NOW, kid="k1"):
        signed = {"Authorization": "Bearer " + token(claims, key, "RS256", kid=kid)}
        return await verify_with_keys(self.PRESET, request(signed, BODY), [], now, source)

    async def test_verify_a_push_of_google(self, rsa):
        source = Published({self.JWKS: self.keys(rsa)})
        assert await self.check(self.claims(), rsa, source) == ACCEPTED
        assert source.asked == [(self.JWKS, False)]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"aud": "https://them"}, Reason.MISMATCH),
            ({"aud": ["https://them"]}, Reason.MISMATCH),
            ({"iss": "https://evil.example"}, Reason.MISMATCH),
            ({"email": "other@google.example"}, Reason.MISMATCH),
            ({"email_verified": False}, Reason.MISMATCH),
            ({"exp": NOW - 61}, Reason.STALE),
            ({"exp": None}, Reason.MALFORMED),
        ],
    )
    async def test_are_not_enough(self, rsa, changes, reason):
        source = Published({self.JWKS: self.keys(rsa)})
        assert (await self.check(self.claims(**changes), rsa, source)).reason == reason

    async def test_are_looked_for_anew_when_the_id_is_unknown(self, rsa):
        old = RSAKey.generate_key(2048, parameters={"kid": "old"})
        source = Published({self.JWKS: self.keys(old)}, later={self.JWKS: self.keys(old, rsa)})
        assert await self.check(self.claims(), rsa, source) == ACCEPTED
        assert source.asked == [(self.JWKS, False), (self.JWKS, True)]
        unknown = await self.check(self.claims(), rsa, source, kid="none")
        assert unknown.reason == Reason.MISMATCH

    async def test_are_not_fetched_for_a_token_of_another_kind(self):
        source = Published({})
        signed = {"Authorization": "Bearer " + token(self.claims())}
        verdict = await verify_with_keys(self.PRESET, request(signed, BODY), secrets(SECRET), NOW, source)
        assert verdict.reason == Reason.MALFORMED
        assert source.asked == []

    def test_are_never_done_without(self):
        assert not verify(self.PRESET, request({}, BODY), secrets(SECRET), NOW).ok

    async def test_verify_each_token_of_microsoft_graph(self, rsa):
        preset = preset_of("microsoft-graph-rich", {"applicationId": "app"})
        claims = {
            "iss": "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001/v2.0",
            "aud": "app",
            "azp": "0bf30f3b-4a52-48df-9a82-234910c4a086",
            "exp": NOW + 60,
        }
        source = Published({preset.jwt.jwks: self.keys(rsa)})

        async def verdict(*tokens, state="state"):
            body = json.dumps({"value": [{"clientState": state}], "validationTokens": tokens}).encode()
            return await verify_with_keys(preset, request({}, body), secrets("state"), NOW, source)

        good = token(claims, rsa, "RS256", kid="k1")
        foreign = token(claims | {"azp": "other"}, rsa, "RS256", kid="k1")
        assert await verdict(good, good) == ACCEPTED
        assert (await verdict(good, foreign)).reason == Reason.MISMATCH
        assert (await verdict(good, state="x")).reason == Reason.MISMATCH
        assert (await verdict()).reason == Reason.MISSING_HEADER


class TestJwtOfAHandler:
    def preset(self, **fields):
        return VERIFICATION.validate_python({"scheme": "jwt", **fields}).preset()

    def test_is_verified_with_a_shared_key(self):
        preset = self.preset(algorithms=["HS256"], issuer="a.b", bodyClaim="h", audience="us")
        claims = {"iss": "a.b", "aud": ["us", "them"], "h": HEX, "exp": NOW + 1}
        for changes, reason in [
            ({}, None),
            ({"iss": "axb"}, Reason.MISMATCH),
            ({"aud": "them"}, Reason.MISMATCH),
            ({"h": None}, Reason.MISMATCH),
            ({"exp": None}, Reason.MALFORMED),
        ]:
            signed = {"Authorization": "bearer " + token(claims | changes)}
            assert verify(preset, request(signed, BODY), secrets(SECRET), NOW).reason == reason

    def test_says_how_old_it_may_be(self):
        preset = self.preset(algorithms=["HS256"], toleranceSeconds=10)
        signed = {"Authorization": "Bearer " + token({"iat": NOW})}
        assert verify(preset, request(signed), secrets(SECRET), NOW + 10) == ACCEPTED
        assert verify(preset, request(signed), secrets(SECRET), NOW + 11).reason == Reason.STALE

    async def test_is_verified_with_published_keys(self, rsa):
        url = "https://id.example/keys"
        preset = self.preset(algorithms=["RS256"], jwksUrl=url)
        signed = {"Authorization": "Bearer " + token({"exp": NOW + 1}, rsa, "RS256", kid="k1")}
        source = Published({url: json.dumps(KeySet([rsa]).as_dict(private=False)).encode()})
        assert preset.needs_keys
        assert await verify_with_keys(preset, request(signed), [], NOW, source) == ACCEPTED
