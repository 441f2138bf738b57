"""Requests to a token endpoint, as each provider wants them (RFC 6749, sections 2.3.1, 4 and 6). Pure."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

import orjson

from app.connectors.oauth2 import OAuth2, Refresh, TokenRequest
from app.core.secret import Secret

JSON = "application/json"
NO_REFRESH = Refresh()
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Client:
    """What a provider knows us as. ``secret``: None of a public client."""

    id: str
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class ToSend:
    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """``token_url`` and ``refresh_url``: those of the record, with the account's values in them."""

    oauth: OAuth2
    client: Client
    token_url: str
    refresh_url: str

    def exchange(self, code: str, redirect_uri: str, verifier: str | None) -> ToSend:
        """An authorization code for tokens (RFC 6749, section 4.1.3; ``verifier``: RFC 7636)."""
        params = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier is not None:
            params["code_verifier"] = verifier
        return self._request(self.token_url, params)

    def refresh(self, token: Secret, scopes: Sequence[str]) -> ToSend:
        """RFC 6749, section 6. ``token``: the access token where that is what is exchanged."""
        refresh = self.oauth.refresh
        params = {"grant_type": "refresh_token", refresh.token_param: token.reveal()}
        if refresh.keeps_scope and scopes:
            params |= self._scope(scopes)
        return self._request(self.refresh_url, params, refresh)

    def client_credentials(self, scopes: Sequence[str]) -> ToSend:
        """RFC 6749, section 4.4.2."""
        return self._request(self.token_url, {"grant_type": "client_credentials", **self._scope(scopes)})

    def password(self, username: str, password: Secret, scopes: Sequence[str]) -> ToSend:
        """RFC 6749, section 4.3.2, for providers that have nothing else."""
        params = {"grant_type": "password", "username": username, "password": password.reveal()}
        return self._request(self.token_url, {**params, **self._scope(scopes)})

    def assertion(self, assertion: Secret, scopes: Sequence[str]) -> ToSend:
        """RFC 7523, section 2.1."""
        params = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": assertion.reveal(),
        }
        return self._request(self.token_url, {**params, **self._scope(scopes)})

    def device(self, device_code: Secret) -> ToSend:
        """RFC 8628, section 3.4."""
        params = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": device_code.reveal(),
        }
        return self._request(self.token_url, params)

    def _scope(self, scopes: Sequence[str]) -> dict[str, str]:
        authorize = self.oauth.authorize
        separator = authorize.scope_separator if authorize else " "
        name = authorize.scope_param if authorize else "scope"
        return {name: separator.join(scopes)} if scopes else {}

    def _request(self, url: str, params: Mapping[str, str], refresh: Refresh = NO_REFRESH) -> ToSend:
        """What ``refresh`` says comes before what is said of every request."""
        spec = self.oauth.token
        method = refresh.method or spec.method
        query: dict[str, str] = {}
        fields = {**params, **spec.params, **refresh.params}
        headers = [("Accept", JSON), *spec.headers.items()]
        if spec.redirect_uri_in == "query" and "redirect_uri" in fields:
            query["redirect_uri"] = fields.pop("redirect_uri")
        if spec.client_auth == "basic" and self.client.secret is not None:
            headers.append(("Authorization", basic(self.client, self.client.secret, spec)))
        else:
            fields[spec.client_id_param] = self.client.id
            if spec.client_auth == "body" and self.client.secret is not None:
                fields[spec.client_secret_param] = self.client.secret.reveal()
        fields = {name: value for name, value in fields.items() if name not in {*spec.omit, *refresh.omit}}
        if spec.format == "query" or method == "GET":
            return ToSend(method, _with_query(url, {**query, **fields}), tuple(headers), None)
        media_type, body = (JSON, orjson.dumps(fields)) if spec.format == "json" else (FORM, _form(fields))
        return ToSend(method, _with_query(url, query), (*headers, ("Content-Type", media_type)), body)


def basic(client: Client, secret: Secret, spec: TokenRequest) -> str:
    """RFC 6749, section 2.3.1: both are form-encoded before they are joined. Not all undo it."""
    parts = client.id, secret.reveal()
    if spec.basic_encoding == "form":
        parts = quote_plus(parts[0]), quote_plus(parts[1])
    return f"Basic {base64.b64encode(':'.join(parts).encode()).decode()}"


def _form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url
