"""Each way in which providers want a token request."""

import base64
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
import pytest

from app.connections.token_request import Client, TokenEndpoint
from app.connectors.oauth2 import OAuth2
from app.core.secret import Secret

URL = "https://id.example.com/token"
CLIENT = Client("my id", Secret("s3:cret/+ü"))


def endpoint(client=CLIENT, **token) -> TokenEndpoint:
    more = token.pop("record", {})
    oauth = OAuth2.model_validate_json(orjson.dumps({"token": {"url": URL, **token}, **more}))
    return TokenEndpoint(oauth, client, URL, "https://id.example.com/refresh")


def fields(request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


def header(request, name) -> str | None:
    return next((value for key, value in request.headers if key.lower() == name), None)


class TestClientProof:
    def test_is_in_the_body_unless_the_record_says_otherwise(self):
        request = endpoint().exchange("c", "https://us/cb", "v")
        assert (request.method, request.url) == ("POST", URL)
        assert fields(request) == {
            "grant_type": "authorization_code",
            "code": "c",
            "redirect_uri": "https://us/cb",
            "code_verifier": "v",
            "client_id": "my id",
            "client_secret": "s3:cret/+ü",
        }
        assert header(request, "content-type") == "application/x-www-form-urlencoded"
        assert header(request, "accept") == "application/json"
        assert header(request, "authorization") is None

    @pytest.mark.parametrize(
        ("encoding", "expected"),
        [("form", "my+id:s3%3Acret%2F%2B%C3%BC"), ("raw", "my id:s3:cret/+ü")],
    )
    def test_by_basic_is_encoded_as_the_provider_decodes_it(self, encoding, expected):
        request = endpoint(clientAuth="basic", basicEncoding=encoding).exchange("c", "https://us/cb", None)
        scheme, _, value = header(request, "authorization").partition(" ")
        assert (scheme, base64.b64decode(value).decode()) == ("Basic", expected)
        assert fields(request).keys() == {"grant_type", "code", "redirect_uri"}

    def test_of_a_public_client_is_its_id(self):
        for auth in ("basic", "body", "none"):
            request = endpoint(Client("me"), clientAuth=auth).exchange("c", "https://us/cb", "v")
            assert fields(request)["client_id"] == "me"
            assert "client_secret" not in fields(request)
            assert header(request, "authorization") is None

    def test_may_have_other_names(self):
        request = endpoint(clientIdParam="client_key", clientSecretParam="key").exchange(
            "c", "https://u", None
        )
        assert fields(request)["client_key"] == "my id"
        assert fields(request)["key"] == "s3:cret/+ü"


class TestForm:
    def test_may_be_json(self):
        request = endpoint(format="json").exchange("c", "https://us/cb", None)
        assert orjson.loads(request.body)["client_secret"] == "s3:cret/+ü"
        assert header(request, "content-type") == "application/json"

    @pytest.mark.parametrize("token", [{"format": "query"}, {"method": "GET"}])
    def test_may_be_the_query(self, token):
        request = endpoint(**token).exchange("c", "https://us/cb", None)
        assert request.body is None
        assert parse_qs(urlsplit(request.url).query)["client_secret"] == ["s3:cret/+ü"]
        assert header(request, "content-type") is None

    def test_adds_omits_and_moves_what_the_record_says(self):
        request = endpoint(
            params={"type": "web_server"},
            omit=["grant_type"],
            headers={"Client-Id": "x"},
            redirectUriIn="query",
        ).exchange("c", "https://us/cb", None)
        assert fields(request).keys() == {"type", "code", "client_id", "client_secret"}
        assert parse_qs(urlsplit(request.url).query) == {"redirect_uri": ["https://us/cb"]}
        assert header(request, "client-id") == "x"

    def test_shows_nothing_of_what_it_sends(self):
        request = endpoint(format="query").exchange("canary", "https://us/cb", None)
        assert "canary" not in repr(request)
        assert "s3" not in repr(request)


class TestGrants:
    def test_refresh_goes_to_its_own_address(self):
        request = endpoint(record={"refresh": {"params": {"type": "refresh"}}}).refresh(Secret("rt"), ["a"])
        assert request.url == "https://id.example.com/refresh"
        assert fields(request)["refresh_token"] == "rt"
        assert fields(request)["type"] == "refresh"
        assert "scope" not in fields(request)

    def test_refresh_sends_scopes_again_where_they_would_be_lost(self):
        record = {
            "refresh": {"keepsScope": True},
            "authorize": {"url": "https://id.example.com/a", "scopeSeparator": ","},
        }
        assert fields(endpoint(record=record).refresh(Secret("rt"), ["a", "b"]))["scope"] == "a,b"

    def test_refresh_says_the_last_word(self):
        record = {"refresh": {"params": {"type": "refresh"}}}
        request = endpoint(params={"type": "web_server"}, record=record).refresh(Secret("rt"), [])
        assert fields(request)["type"] == "refresh"

    def test_refresh_may_exchange_the_access_token_another_way(self):
        record = {
            "refresh": {
                "kind": "re_exchange",
                "method": "GET",
                "tokenParam": "access_token",
                "omit": ["client_secret"],
                "params": {"grant_type": "exchange"},
            }
        }
        request = endpoint(record=record).refresh(Secret("at"), [])
        assert (request.method, request.body) == ("GET", None)
        assert parse_qs(urlsplit(request.url).query) == {
            "grant_type": ["exchange"],
            "access_token": ["at"],
            "client_id": ["my id"],
        }

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (
                lambda it: it.client_credentials(["a", "b"]),
                {"grant_type": "client_credentials", "scope": "a b"},
            ),
            (
                lambda it: it.password("u", Secret("p"), []),
                {"grant_type": "password", "username": "u", "password": "p"},
            ),
            (
                lambda it: it.assertion(Secret("j"), []),
                {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "j"},
            ),
            (
                lambda it: it.device(Secret("d")),
                {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "d"},
            ),
        ],
    )
    def test_are_those_of_the_specifications(self, make, expected):
        sent = fields(make(endpoint()))
        assert {name: sent[name] for name in expected} == expected
        assert sent.keys() == {*expected, "client_id", "client_secret"}
