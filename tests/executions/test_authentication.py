import base64

import pytest

from app.core.secret import Secret
from app.executions.authentication import authenticate
from app.executions.outgoing import Values
from app.executions.redaction import Redactor
from app.handlers.targets import SecurityScheme

BEARER = {"scheme": "bearerAuth", "type": "http", "httpScheme": "Bearer"}
BASIC = {"scheme": "basicAuth", "type": "http", "httpScheme": "basic"}
KEY = {"scheme": "ApiKey", "type": "apiKey", "in": "header", "name": "X-Key"}


def schemes(*alternatives):
    return [[SecurityScheme.model_validate(scheme) for scheme in alternative] for alternative in alternatives]


def values(*, secrets=None, credentials=None):
    return Values(
        credentials={key: Secret(value) for key, value in (credentials or {}).items()},
        secrets={key: Secret(value) for key, value in (secrets or {}).items()},
    )


class TestAuthenticate:
    @pytest.mark.parametrize(
        ("scheme", "key"),
        [
            (BEARER, "BEARER_AUTH"),
            (BEARER, "ACCESS_TOKEN"),
            ({"scheme": "HTTPBearer", "type": "http", "httpScheme": "bearer"}, "HTTP_BEARER"),
            ({"scheme": "petstore.auth", "type": "oauth2"}, "PETSTORE_AUTH"),
            ({"scheme": "petstore_auth", "type": "oauth2"}, "ACCESS_TOKEN"),
            ({"scheme": "oidc", "type": "openIdConnect"}, "OIDC"),
        ],
    )
    def test_sends_a_bearer_token(self, scheme, key):
        assert authenticate(schemes([scheme]), values(secrets={key: "t"})).header == {
            "Authorization": "Bearer t"
        }

    @pytest.mark.parametrize("key", ["X_API_KEY", "API_KEY"])
    @pytest.mark.parametrize("location", ["header", "query", "cookie"])
    def test_sends_an_api_key_where_it_belongs(self, location, key):
        scheme = {"scheme": "X-API-Key", "type": "apiKey", "in": location, "name": "k"}
        login = authenticate(schemes([scheme]), values(secrets={key: "v"}))
        assert getattr(login, location) == {"k": "v"}
        assert login.supplies(location, "k")

    @pytest.mark.parametrize("kept", [{"USERNAME": "u", "PASSWORD": "p:w"}, {"BASIC_AUTH": "u:p:w"}])
    def test_sends_a_user_name_and_password(self, kept):
        login = authenticate(schemes([BASIC]), values(secrets=kept))
        assert login.header == {"Authorization": "Basic " + base64.b64encode(b"u:p:w").decode()}

    def test_tells_every_secret_it_used(self):
        kept = {"USERNAME": "username", "PASSWORD": "password", "OTHER": "other"}
        login = authenticate(schemes([BASIC]), values(secrets=kept))
        assert {secret.reveal() for secret in login.secrets} == {"username", "password", "username:password"}
        header = login.header["Authorization"]
        assert Redactor(login.secrets).text(f"echo {header}") == "echo Basic [redacted]"

    def test_tells_both_halves_of_a_pair(self):
        login = authenticate(schemes([BASIC]), values(secrets={"BASIC_AUTH": "sk_live_1:"}))
        assert "sk_live_1" in {secret.reveal() for secret in login.secrets}

    def test_prefers_the_schemes_own_name_then_secrets(self):
        both = values(secrets={"ACCESS_TOKEN": "general"}, credentials={"BEARER_AUTH": "own"})
        assert authenticate(schemes([BEARER]), both).header == {"Authorization": "Bearer own"}
        both = values(secrets={"BEARER_AUTH": "secret"}, credentials={"BEARER_AUTH": "credential"})
        assert authenticate(schemes([BEARER]), both).header == {"Authorization": "Bearer secret"}

    def test_takes_the_first_alternative_that_is_complete(self):
        kept = values(secrets={"API_KEY": "k", "ACCESS_TOKEN": "t"})
        alternatives = schemes([BASIC], [KEY, BASIC], [KEY, BEARER], [BEARER])
        assert authenticate(alternatives, kept).header == {"X-Key": "k", "Authorization": "Bearer t"}

    def test_uses_what_there_is_where_anonymous_is_allowed_too(self):
        assert authenticate(schemes([], [BEARER]), values(secrets={"ACCESS_TOKEN": "t"})).header

    @pytest.mark.parametrize(
        "alternatives",
        [
            [],
            [[]],
            [[BEARER]],
            [[KEY, BASIC]],
            [[BASIC]],
            [[{"scheme": "d", "type": "http", "httpScheme": "digest"}]],
            [[{"scheme": "k", "type": "apiKey"}]],
        ],
    )
    def test_sends_nothing_when_no_alternative_is_complete(self, alternatives):
        login = authenticate(
            schemes(*alternatives), values(secrets={"API_KEY": "k", "USERNAME": "u", "D": "d"})
        )
        assert (login.header, login.query, login.cookie, login.secrets) == ({}, {}, {}, [])

    def test_does_not_show_what_it_sends(self):
        assert "s3cret" not in repr(
            authenticate(schemes([BEARER]), values(secrets={"ACCESS_TOKEN": "s3cret"}))
        )
