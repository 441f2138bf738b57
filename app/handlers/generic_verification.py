"""Verification that a handler spells out itself, for senders that no preset knows."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from app.handlers.fields import HeaderName, ValueKey
from app.signatures.key_source import host_of
from app.signatures.keys import Algorithm, KeyCodec
from app.signatures.messages import Template, Token, parse_message, parse_template
from app.signatures.presets import JwtRules, Preset, SignedTimestamp, Signing
from app.signatures.request import parse_source
from app.signatures.timestamps import TimestampUnit
from app.web.schemas import Definition

Pointer = Annotated[str, Field(pattern=r"^(/([^~/{}*]|~[01])*){1,16}$", max_length=256)]
TextEncoding = Literal["hex", "base64", "base64url"]
JwtAlgorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]

_HMACS: Final[Mapping[str, Algorithm]] = {
    "sha1": "hmac-sha1",
    "sha256": "hmac-sha256",
    "sha512": "hmac-sha512",
}


class SignedVerification(Definition):
    secret_key: ValueKey = "WEBHOOK_SECRET"
    tolerance_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    """How far the signed timestamp may be from our clock, either way; the scheme's own number by default.
    Without effect where the scheme signs no timestamp."""


class _DedupVerification(SignedVerification):
    """`dedupHeader` or `dedupPointer` (RFC 6901, into a JSON body) names what identifies a delivery."""

    dedup_header: HeaderName | None = None
    dedup_pointer: Pointer | None = None

    @model_validator(mode="after")
    def _names_one_key(self) -> Self:
        if self.dedup_header and self.dedup_pointer:
            raise ValueError("dedupHeader and dedupPointer exclude each other")
        return self

    def _dedup(self) -> tuple[Template, ...]:
        if self.dedup_pointer:
            return (parse_template(f"{{json:{self.dedup_pointer}}}"),)
        return ((parse_source(f"header:{self.dedup_header}"),),) if self.dedup_header else ()


class _TemplateVerification(_DedupVerification):
    """A signature over a message that is put together from the request; see ``HmacVerification``."""

    header: HeaderName = "X-Signature"
    prefix: Annotated[str, Field(max_length=64)] = ""
    separator: Literal[",", ";", " "] | None = None
    encoding: TextEncoding = "hex"
    message: Annotated[str, Field(min_length=1, max_length=512)] = Token.RAW.value
    timestamp_header: HeaderName | None = None
    timestamp_unit: TimestampUnit = "s"
    id_header: HeaderName | None = None

    @model_validator(mode="after")
    def _signs_what_it_relies_on(self) -> Self:
        parts = parse_message(self.message)
        if Token.RAW not in parts:
            raise ValueError("message must contain {raw}: otherwise the body could be exchanged")
        if (Token.TIMESTAMP in parts) != (self.timestamp_header is not None):
            raise ValueError("message must contain {ts} if and only if timestampHeader is given")
        if (Token.ID in parts) != (self.id_header is not None):
            raise ValueError("message must contain {id} if and only if idHeader is given")
        return self

    def _preset(self, scheme: str, algorithm: Algorithm, key: KeyCodec) -> Preset:
        timestamp = None
        if self.timestamp_header:
            places = (parse_source(f"header:{self.timestamp_header}"),)
            timestamp = SignedTimestamp(sources=places, unit=self.timestamp_unit)
        signing = Signing(
            sources=(parse_source(f"header:{self.header}"),),
            prefix=self.prefix,
            separator=self.separator,
            encoding=self.encoding,
            algorithm=algorithm,
            key=key,
            messages=(parse_message(self.message),),
            timestamp=timestamp,
            ids=(parse_source(f"header:{self.id_header}"),) if self.id_header else (),
        )
        preset = Preset(name=scheme, is_generic=True, signing=signing, dedup=self._dedup())
        return preset.with_tolerance(self.tolerance_seconds)


class HmacVerification(_TemplateVerification):
    """An HMAC over a message that is put together from the request.

    `message` consists of literal text and `{raw}` (the body's bytes, required), `{ts}` (the text of
    `timestampHeader`), `{id}` (the text of `idHeader`), `{url}` (the full address called), `{path}` (its path
    and query) and `{method}`. With `separator` the header is a list, of which the elements that start with
    `prefix` are signatures. `dedupHeader` or `dedupPointer` (RFC 6901, into a JSON body) names what
    identifies a delivery.
    """

    scheme: Literal["hmac"]
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    key_codec: Literal["utf8", "base64", "whsec", "hex"] = "utf8"

    def preset(self) -> Preset:
        return self._preset(self.scheme, _HMACS[self.algorithm], self.key_codec)


class PublicKeyVerification(_TemplateVerification):
    """A signature that the sender's public key verifies; the secret holds that key. Else as `hmac`.

    `keyCodec` says how: `public` for PEM, a certificate in PEM or the base64 of a SubjectPublicKeyInfo; `hex`
    or `base64` of the 32 bytes of an Ed25519 key.
    """

    scheme: Literal["ed25519", "ecdsa-p256", "rsa-sha256"]
    encoding: TextEncoding = "base64"
    key_codec: Literal["public", "hex", "base64"] = "public"

    @model_validator(mode="after")
    def _reads_its_key(self) -> Self:
        if self.key_codec != "public" and self.scheme != "ed25519":
            raise ValueError("keyCodec must be public: only an Ed25519 key is written as bytes")
        return self

    def preset(self) -> Preset:
        return self._preset(self.scheme, self.scheme, self.key_codec)


class JwtVerification(_DedupVerification):
    """A JSON Web Token in a header, signed with the secret or with a key of `jwksUrl`.

    The secret is a shared key, or public keys as PEM, JWK or JWKS. `bodyClaim` names the claim that holds the
    SHA-256 of the body: without it a token vouches for its sender, and for no body.
    """

    scheme: Literal["jwt"]
    header: HeaderName = "Authorization"
    prefix: Annotated[str, Field(max_length=64)] = "Bearer "
    algorithms: Annotated[list[JwtAlgorithm], Field(min_length=1, max_length=len(get_args(JwtAlgorithm)))]
    jwks_url: Annotated[str, Field(pattern=r"^https://[^\x00-\x20\x7f]+$", max_length=2048)] | None = None
    issuer: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    audience: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    body_claim: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    digest_encoding: TextEncoding = "hex"

    @model_validator(mode="after")
    def _keeps_families_apart(self) -> Self:
        shared = [algorithm.startswith("HS") for algorithm in self.algorithms]
        if any(shared) and not all(shared):
            raise ValueError("algorithms must not mix shared keys (HS…) with public ones")
        if self.jwks_url and any(shared):
            raise ValueError("jwksUrl holds public keys: algorithms must not be HS…")
        if self.jwks_url and host_of(self.jwks_url) is None:
            raise ValueError("jwksUrl must be an https address on port 443")
        return self

    def preset(self) -> Preset:
        host = host_of(self.jwks_url) if self.jwks_url else None
        rules = JwtRules(
            sources=(parse_source(f"header:{self.header}"),),
            prefix=self.prefix,
            algorithms=tuple(self.algorithms),
            jwks=self.jwks_url,
            hosts=re.compile(re.escape(host)) if host else None,
            issuer=re.compile(re.escape(self.issuer)) if self.issuer else None,
            audience=self.audience,
            body_claim=self.body_claim,
            digest_encoding=self.digest_encoding,
            needs_issue_time=self.tolerance_seconds is not None,
            needs_expiry=self.tolerance_seconds is None,
        )
        preset = Preset(name=self.scheme, is_generic=True, jwt=rules, dedup=self._dedup())
        return preset.with_tolerance(self.tolerance_seconds)
