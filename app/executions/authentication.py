"""Finds what an operation's security schemes ask for among the integration's secrets and credentials.

A value is looked up by the scheme's name in SCREAMING_SNAKE_CASE (`bearerAuth` is BEARER_AUTH), then by
what is usual for its kind, each time among the secrets first:

    http bearer, oauth2, openIdConnect      ACCESS_TOKEN
    apiKey                                  API_KEY
    http basic                              USERNAME and PASSWORD; the scheme's own name holds `user:password`
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.secret import Secret
from app.executions.outgoing import Values
from app.handlers.targets import SecurityScheme


@dataclass(slots=True)
class Login:
    """Names and plaintext values to send, and every secret they are made of."""

    header: dict[str, str] = field(default_factory=dict, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)
    cookie: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: list[Secret] = field(default_factory=list)

    def supplies(self, location: str, name: str) -> bool:
        if location == "header":
            return name.lower() in {header.lower() for header in self.header}
        return name in {"query": self.query, "cookie": self.cookie}.get(location, {})


def authenticate(alternatives: Sequence[Sequence[SecurityScheme]], values: Values) -> Login:
    """The first alternative of which every scheme can be satisfied; without one, nothing is sent."""
    for alternative in alternatives:
        login = Login()
        if alternative and all(_apply(scheme, values, login) for scheme in alternative):
            return login
    return Login()


def _apply(scheme: SecurityScheme, values: Values, login: Login) -> bool:
    if scheme.type == "apiKey":
        return _apply_api_key(scheme, values, login)
    if scheme.type == "http" and (scheme.http_scheme or "").lower() == "basic":
        return _apply_basic(scheme, values, login)
    if scheme.type == "http" and (scheme.http_scheme or "").lower() != "bearer":
        return False
    token = _find(values, _screaming(scheme.scheme), "ACCESS_TOKEN")
    if token is None:
        return False
    login.header["Authorization"] = f"Bearer {token.reveal()}"
    login.secrets.append(token)
    return True


def _apply_api_key(scheme: SecurityScheme, values: Values, login: Login) -> bool:
    key = _find(values, _screaming(scheme.scheme), "API_KEY")
    if key is None or scheme.location is None or scheme.name is None:
        return False
    places = {"header": login.header, "query": login.query, "cookie": login.cookie}
    places[scheme.location][scheme.name] = key.reveal()
    login.secrets.append(key)
    return True


def _apply_basic(scheme: SecurityScheme, values: Values, login: Login) -> bool:
    pair = _find(values, _screaming(scheme.scheme))
    if pair is not None and ":" in pair.reveal():
        login.secrets += [pair, *map(Secret, pair.reveal().split(":", 1))]
    else:
        username, password = _find(values, "USERNAME"), _find(values, "PASSWORD")
        if username is None or password is None:
            return False
        pair = Secret(f"{username.reveal()}:{password.reveal()}")
        login.secrets += [pair, username, password]
    login.header["Authorization"] = f"Basic {base64.b64encode(pair.reveal().encode()).decode()}"
    return True


def _find(values: Values, *keys: str) -> Secret | None:
    sources = (values.secrets, values.credentials)
    return next((source[key] for key in keys for source in sources if key in source), None)


def _screaming(name: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").upper()
