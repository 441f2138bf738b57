"""How a provider speaks OAuth 2.0 (RFC 6749), where it differs from the specification.

Every default is what the specification says, so that a record tells deviations only.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.connectors.fields import FieldPath, Params, Text, Url, Word
from app.web.schemas import Definition

Grant = Literal["authorization_code", "client_credentials", "device_code", "jwt_bearer", "password"]
Seconds = Annotated[int, Field(ge=0, le=10 * 365 * 86_400)]


class RefreshKind(StrEnum):
    """What becomes of a refresh token when it is used."""

    NONE = "none"
    """There is none: the access token lasts until somebody takes it back."""
    FIXED = "fixed"
    """It stays, and may be used again."""
    SLIDING = "sliding"
    """It is replaced, and the old one stays good."""
    ROTATE_GRACE = "rotate_grace"
    """It is replaced, and the old one is good for ``graceSeconds`` more, or until the new one is used."""
    ROTATE_STRICT = "rotate_strict"
    """It is replaced, and using the old one again may end the connection."""
    RE_EXCHANGE = "re_exchange"
    """There is none: the access token itself is exchanged for a newer one."""
    RE_GRANT = "re_grant"
    """There is none: the grant is made again."""
    UNKNOWN = "unknown"
    """Treated as ``rotate_strict``, which is wrong nowhere."""


class ErrorClass(StrEnum):
    """What follows from an error of the token endpoint."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    GRANT_DEAD = "grant_dead"
    INTERACTION_REQUIRED = "interaction_required"
    CLIENT_BAD = "client_bad"
    REQUEST_BAD = "request_bad"


class Authorization(Definition):
    """The authorization request (RFC 6749, section 4.1.1; RFC 7636 for PKCE)."""

    url: Url
    params: Params = {}
    scope_separator: Literal[" ", ",", "+", "|", ";"] = " "
    scope_param: Word = "scope"
    client_id_param: Word = "client_id"
    pkce: Literal["S256", "plain", "none"] = "S256"
    """``none`` only where the provider refuses a request that has it."""
    state_in: Literal["query", "redirect_uri"] = "query"
    """``redirect_uri`` where the provider does not give ``state`` back."""


class Callback(Definition):
    """What comes back through the browser."""

    code_param: Word = "code"
    keep: Annotated[list[Word], Field(max_length=16)] = []
    """Parameters that are needed later; URLs may name them."""
    verify: Literal["shopify_hmac"] | None = None
    denied: Annotated[dict[Word, str], Field(max_length=8)] = {}
    """Parameters by which a person's refusal is told other than by ``error=access_denied``."""


class TokenRequest(Definition):
    """RFC 6749, sections 2.3.1 and 4.1.3."""

    url: Url
    method: Literal["POST", "GET"] = "POST"
    format: Literal["form", "json", "query"] = "form"
    client_auth: Literal["basic", "body", "none"] = "body"
    basic_encoding: Literal["form", "raw"] = "form"
    """``raw`` where id and secret must not be form-encoded first, against section 2.3.1."""
    client_id_param: Word = "client_id"
    client_secret_param: Word = "client_secret"
    params: Params = {}
    omit: Annotated[list[Word], Field(max_length=8)] = []
    """Parameters of the specification that the provider refuses."""
    headers: Params = {}
    redirect_uri_in: Literal["body", "query"] = "body"


class Refresh(Definition):
    kind: RefreshKind = RefreshKind.UNKNOWN
    url: Url | None = None
    """Where it is another than that of the token request."""
    method: Literal["POST", "GET"] | None = None
    """None: that of the token request."""
    token_param: Word = "refresh_token"
    """By what name the token is sent: the access token, where there is no other."""
    params: Params = {}
    omit: Annotated[list[Word], Field(max_length=8)] = []
    """Parameters of the specification that the provider refuses here."""
    keeps_scope: bool = False
    """The scopes have to be sent again."""
    grace_seconds: Seconds | None = None
    min_age_seconds: Seconds | None = None
    """A younger access token is given back as it is, or refused."""
    idle_seconds: Seconds | None = None
    """A refresh token that is not used for so long is dead."""
    absolute_seconds: Seconds | None = None
    """So long after the connection was made it is dead, whatever is done."""


class Answer(Definition):
    """The token answer (RFC 6749, section 5.1)."""

    root: FieldPath | None = None
    """Where the answer proper is inside the JSON."""
    access_token: FieldPath = "access_token"
    refresh_token: FieldPath = "refresh_token"
    expires_in: FieldPath = "expires_in"
    expires_at: FieldPath | None = None
    scope: FieldPath = "scope"
    expires_unit: Literal["seconds", "milliseconds"] = "seconds"
    zero_means_never: bool = False
    scope_separator: Literal[" ", ","] | None = None
    """None: that of the authorization request."""
    ok_when: dict[FieldPath, str | int | bool] = {}
    """Fields that tell a success from an error which comes with the status of one."""
    error: FieldPath = "error"
    error_description: FieldPath = "error_description"
    default_lifetime_seconds: Seconds | None = None
    keep: Annotated[list[FieldPath], Field(max_length=16)] = []
    """What is needed later; URLs may name it by its last part."""


class ErrorRule(Definition):
    """Each of the conditions that are given has to hold."""

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    error: Annotated[list[str], Field(max_length=64)] = []
    """Values of the error field, numbers written out."""
    contains: Text | None = None
    """Text of the description or, without one, of the body."""
    means: ErrorClass


class Use(Definition):
    """How an access token is sent to the API (RFC 6750, section 2.1)."""

    place: Literal["header", "query"] = "header"
    name: Word = "Authorization"
    scheme: Annotated[str, Field(pattern=r"^[A-Za-z-]{0,64}$")] = "Bearer"
    """Before the token in the header; nothing for the token alone."""


class Revocation(Definition):
    """RFC 7009, or what stands in for it."""

    url: Url
    method: Literal["POST", "GET", "DELETE"] = "POST"
    token_param: Word = "token"
    client_auth: Literal["basic", "body", "none", "bearer"] = "body"


class OAuth2(Definition):
    """Without ``authorize`` there is no grant that a person makes."""

    grants: Annotated[list[Grant], Field(min_length=1, max_length=5)] = ["authorization_code"]
    scopes: Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=64)] = []
    """That are asked for unless somebody says otherwise."""
    required_scopes: Annotated[list[str], Field(max_length=16)] = []
    """Without which the provider refuses, or gives no refresh token."""
    issuer: Url | None = None
    """Of RFC 9207 and OpenID Connect; what a callback's ``iss`` has to be."""
    authorize: Authorization | None = None
    device_url: Url | None = None
    """RFC 8628, section 3.1."""
    callback: Callback = Callback()
    token: TokenRequest
    refresh: Refresh = Refresh()
    answer: Answer = Answer()
    errors: Annotated[list[ErrorRule], Field(max_length=32)] = []
    use: Use = Use()
    revoke: Revocation | None = None
