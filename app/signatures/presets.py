"""What a scheme consists of. One engine reads it: ``verification`` and, for challenges, ``handshakes``.

A scheme is a table of ``presets.toml``, which ``catalogue`` reads, or what a handler wrote itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from app.signatures.keys import Algorithm, Encoding, KeyCodec
from app.signatures.messages import URL_TOKENS, Template, Token
from app.signatures.request import Source
from app.signatures.timestamps import TimestampUnit

DEFAULT_TOLERANCE_S = 300

NamedScheme = Literal["paypal", "sns"]
"""What data cannot say: code of that name."""
Evidence = Literal["checked", "documented", "reported", "unconfirmed"]
"""Who says so: an official library or vector, the sender's pages, others who verify it, nobody yet."""
ParameterKind = Literal["text", "header", "url", "list", "key"]
"""``key``: of another secret of the same integration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTimestamp:
    """Where `{ts}` comes from: the first of ``sources`` that is there. With a `prefix` it is that element of
    a list, often in the signature's own header: `t=` in `t=1700000000,v1=...`."""

    sources: tuple[Source, ...]
    unit: TimestampUnit = "s"
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """A signature over a message that is put together from the request; or a secret that is sent as it is.

    Every value that stands at one of ``sources`` is a candidate, of which one has to match. `separator`
    splits a value into elements, of which only those count that start with `prefix`: `v1=` in
    `t=1700000000,v1=...`. ``messages`` are alternatives. ``ids`` is where `{id}` comes from. ``body_digest``:
    where the sender may put the SHA-256 of the body, in hex, inside of what is signed. What stands at
    ``absent`` is covered by no signature and therefore refused.
    """

    sources: tuple[Source, ...]
    prefix: str = ""
    separator: str | None = None
    encoding: Encoding = "hex"
    algorithm: Algorithm = "hmac-sha256"
    key: KeyCodec = "utf8"
    messages: tuple[Template, ...] = ((Token.RAW,),)
    timestamp: SignedTimestamp | None = None
    ids: tuple[Source, ...] = ()
    signed_headers: Source | None = None
    body_digest: Source | None = None
    absent: tuple[Source, ...] = ()
    holds_secret: bool = field(init=False)
    """Whether a message differs with the secret: else it is put together once for all of them."""

    def __post_init__(self) -> None:
        holds_secret = any(Token.SECRET in template for template in self.messages)
        object.__setattr__(self, "holds_secret", holds_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtRules:
    """A JSON Web Token (RFC 7519) that vouches for the request.

    The keys are the handler's secrets, or the JWKS at ``jwks``, of which the host has to match ``hosts``.
    ``body_claim`` and ``url_claim`` hold the SHA-256 of what they are named after. ``claims`` have to be
    equal as text; the issuer has to match a pattern; None is not looked at.
    """

    sources: tuple[Source, ...]
    prefix: str = ""
    algorithms: tuple[str, ...]
    jwks: str | None = None
    hosts: re.Pattern[str] | None = None
    issuer: re.Pattern[str] | None = None
    audience: str | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    body_claim: str | None = None
    url_claim: str | None = None
    digest_encoding: Encoding = "hex"
    needs_issue_time: bool = False
    """Whether the token has to say when it was issued, which may be no longer ago than the tolerance."""
    needs_expiry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """A question that a sender asks before it sends, or to see whether somebody is there.

    It is one when the method is among ``methods`` and each place of ``when`` shows that text, ``*`` standing
    for any. ``is_signed``: it is answered only after the request was verified. ``verify_token``: where the
    sender shows the token that was agreed on. ``store``: what becomes the handler's secret, if it has none.
    ``confirm``: an address on an allowed host that has to be fetched.
    """

    title: str
    methods: tuple[str, ...] = ("POST",)
    when: Mapping[Source, str] = field(default_factory=dict)
    is_signed: bool = False
    verify_token: Source | None = None
    status: int = 200
    text: Template | None = None
    json: object = None
    headers: Mapping[str, Template] = field(default_factory=dict)
    store: Source | None = None
    confirm: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What a sender needs to read in the answer to a delivery; any 2xx if a preset has none."""

    status: int = 200
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a handler may or must say besides the secret. ``about`` is a sentence."""

    kind: ParameterKind = "text"
    about: str
    required: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How requests of one kind of sender are verified, told apart and answered.

    `signing`, `jwt` and ``named`` have to be content, each that there is; a preset without any lets everybody
    in, or waits for an access token, which ``app.auth`` checks. `dedup` are templates of what identifies a
    delivery, of which the first applies that can be filled; ``no_dedup`` says why there is none. ``title``,
    ``docs`` and ``note`` are for people. ``is_generic``: a form of signature, not a provider.
    """

    name: str
    title: str = field(default="", repr=False)
    docs: str = field(default="", repr=False)
    evidence: Evidence = field(default="checked", repr=False)
    note: str = field(default="", repr=False)
    is_generic: bool = False
    signing: Signing | None = None
    jwt: JwtRules | None = None
    named: NamedScheme | None = None
    hosts: re.Pattern[str] | None = None
    """Where ``named`` code may fetch keys, and a handshake may be confirmed."""
    needs_access_token: bool = False
    tolerance: int = DEFAULT_TOLERANCE_S
    """Seconds that a signed moment may be away from our clock."""
    allows_future: bool = True
    dedup: tuple[Template, ...] = ()
    no_dedup: str = ""
    handshakes: tuple[Handshake, ...] = ()
    ack: Acknowledgement | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict, repr=False)
    values: Mapping[str, object] = field(default_factory=dict)
    """What the handler said for ``parameters``."""

    @property
    def needs_keys(self) -> bool:
        """Whether verifying takes keys from the network: then ``verify_with_keys`` has to be asked."""
        return self.named is not None or (self.jwt is not None and self.jwt.jwks is not None)

    @property
    def needs_secret(self) -> bool:
        return self.signing is not None or (self.jwt is not None and self.jwt.jwks is None)

    @property
    def handshake_methods(self) -> frozenset[str]:
        """Methods that have to be let through to ``handshakes.answer``, whatever the handler declares."""
        return frozenset(method for handshake in self.handshakes for method in handshake.methods)

    @property
    def verify_token_key(self) -> str | None:
        """Key of the second secret, the one that is typed in at the provider and shown in a handshake."""
        key = self.values.get("verifyTokenKey")
        return key if isinstance(key, str) else None

    @property
    def takes_url(self) -> bool:
        """Whether the address is signed, so that a handler may say under which the sender knows it."""
        signs_url = self.signing is not None and any(
            part in URL_TOKENS for message in self.signing.messages for part in message
        )
        return signs_url or (self.jwt is not None and self.jwt.url_claim is not None)

    def with_tolerance(self, seconds: int | None) -> Self:
        return self if seconds is None else replace(self, tolerance=seconds)


BEARER = Preset(name="bearer", title="Access token", needs_access_token=True)
NONE = Preset(name="none", title="Open to everybody")
