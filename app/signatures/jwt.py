"""JSON Web Tokens that vouch for a request (RFC 7519): families of keys, claims, the body's digest."""

import hashlib
import hmac
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey, import_key

from app.core.secret import Secret
from app.signatures.freshness import check_age
from app.signatures.key_source import KeySource
from app.signatures.keys import decode
from app.signatures.presets import JwtRules, Preset
from app.signatures.request import MAX_VALUES, Reading, malformed, missing
from app.signatures.verdict import Match, Reason, Refused

ALGORITHMS: Final[Mapping[str, type[Key]]] = {
    **dict.fromkeys(("HS256", "HS384", "HS512"), OctKey),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    **dict.fromkeys(("EdDSA", "Ed25519"), OKPKey),
}
"""Each with the one kind of key it goes with: a public key never serves as a shared one."""

LEEWAY_S: Final = 60
MIN_SHARED_KEY_BYTES: Final = 14
"""A token can be tried against guesses at leisure; NIST SP 800-131A asks for 112 bits."""
MIN_RSA_BITS: Final = 2048
MAX_KEYS: Final = 32

Claims = Mapping[str, object]

_PARTS = ("header", "payload", "signature")
"""Of a signed token in its compact form (RFC 7515, section 7.1)."""


def check_token(
    preset: Preset, rules: JwtRules, reading: Reading, secrets: Sequence[Secret], now: float
) -> Match:
    """Against the handler's secrets: shared keys, PEM, JWK or JWKS. Raises ``Refused``."""
    match = Match()
    for token in _tokens(rules, reading):
        header = _header(rules, token)
        keys = [
            (position, key)
            for position, secret in enumerate(secrets[:MAX_VALUES])
            for key in _keys_of(secret.reveal(), header)
        ]
        if not keys:
            raise Refused(
                Reason.NO_SECRET, "There is no secret, or none that this scheme could use as a key."
            )
        position, claims = _claims(token, header, keys)
        match = Match(secret=position, signed_at=_check_claims(preset, rules, reading, claims, now))
    return match


async def check_token_with_keys(
    preset: Preset, rules: JwtRules, reading: Reading, now: float, source: KeySource
) -> Match:
    """Against what is published. Raises ``Refused`` and ``SigningKeyUnavailable``."""
    match = Match()
    for token in _tokens(rules, reading):
        header = _header(rules, token)
        published = await _published(rules, header, source)
        if not published:
            raise Refused(Reason.MISMATCH, "The token names a key that is not published.")
        _, claims = _claims(token, header, [(0, key) for key in published])
        match = Match(signed_at=_check_claims(preset, rules, reading, claims, now))
    return match


def _tokens(rules: JwtRules, reading: Reading) -> Sequence[str]:
    source = rules.sources[0]
    if source.is_every:
        texts = reading.values(source)
        if not texts:
            raise missing([source])
        if len(texts) > MAX_VALUES:
            raise malformed(source, f"names more than {MAX_VALUES} values")
        return texts
    text = reading.only(rules.sources)
    if text[: len(rules.prefix)].lower() != rules.prefix.lower():
        raise malformed(source, f"does not start with {rules.prefix!r}")
    return [text[len(rules.prefix) :].strip()]


def _header(rules: JwtRules, token: str) -> Mapping[str, object]:
    """Read before the signature is checked, to find the key; the algorithm is one of ours."""
    raw = decode(token.partition(".")[0], "base64url")
    try:
        header = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        header = None
    if len(token.split(".")) != len(_PARTS) or not isinstance(header, dict):
        raise malformed(rules.sources[0], "holds no token")
    if header.get("alg") not in rules.algorithms:
        raise malformed(rules.sources[0], f"is signed with none of {', '.join(rules.algorithms)}")
    return header


def _keys_of(text: str, header: Mapping[str, object]) -> Iterator[Key]:
    """The keys in a secret's text that the token may be signed with."""
    kind = ALGORITHMS[str(header["alg"])]
    text = text.strip()
    if text.startswith("{"):
        yield from _keys_in(text.encode(), header)
    elif kind is OctKey:
        if len(text.encode()) >= MIN_SHARED_KEY_BYTES:
            yield from _imported(OctKey, text)
    elif text.startswith("-----BEGIN"):
        yield from _imported(kind, text)


def _imported(kind: type[Key], text: str) -> Iterator[Key]:
    try:
        with warnings.catch_warnings():
            # What only looks like a public key, inside of a shared one, is none; a real one is refused.
            warnings.simplefilter("ignore", SecurityWarning)
            key = kind.import_key(text)
    except (JoseError, ValueError, KeyError, TypeError):
        return
    yield from _usable(key, kind)


async def _published(rules: JwtRules, header: Mapping[str, object], source: KeySource) -> Sequence[Key]:
    """Looks for a newer document when the key is not in the one that is known."""
    if rules.jwks is None or rules.hosts is None:
        return ()
    for newer in (False, True):
        document = await source.document(rules.jwks, rules.hosts, newer=newer)
        if keys := [*_keys_in(document, header)]:
            return keys
    return ()


def _keys_in(document: bytes, header: Mapping[str, object]) -> Iterator[Key]:
    """Of a JWK or JWKS (RFC 7517): those of the token's kind, and of its id if it has one."""
    try:
        value = orjson.loads(document)
    except orjson.JSONDecodeError:
        return
    kind, kid = ALGORITHMS[str(header["alg"])], header.get("kid")
    members = value.get("keys", [value]) if isinstance(value, dict) else []
    for member in members[:MAX_KEYS] if isinstance(members, list) else []:
        if not isinstance(member, dict) or (kid is not None and member.get("kid", kid) != kid):
            continue
        if member.get("use", "sig") != "sig" or member.get("alg", header["alg"]) != header["alg"]:
            continue
        try:
            yield from _usable(import_key(member), kind)
        except (JoseError, ValueError, KeyError, TypeError, SecurityWarning):
            continue


def _usable(key: Key, kind: type[Key]) -> Iterator[Key]:
    is_weak = (isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS) or (
        isinstance(key, OctKey) and len(key.raw_value) < MIN_SHARED_KEY_BYTES
    )
    if isinstance(key, kind) and not is_weak:
        yield key


def _claims(token: str, header: Mapping[str, object], keys: Sequence[tuple[int, Key]]) -> tuple[int, Claims]:
    """With the position of the key that fits. Raises ``Refused``."""
    for position, key in keys:
        try:
            with warnings.catch_warnings():
                # RFC 9864 renames EdDSA to Ed25519; senders of webhooks still write EdDSA.
                warnings.simplefilter("ignore", SecurityWarning)
                return position, jwt.decode(token, key, algorithms=[str(header["alg"])]).claims
        except BadSignatureError:
            continue
        except (JoseError, ValueError, TypeError):
            raise Refused(Reason.MALFORMED, "The token cannot be read.") from None
    raise Refused(Reason.MISMATCH, "The token is signed with another key.")


def _check_claims(
    preset: Preset, rules: JwtRules, reading: Reading, claims: Claims, now: float
) -> float | None:
    """When it was issued. Raises ``Refused``."""
    body = hashlib.sha256(reading.request.body).digest()
    url = hashlib.sha256(reading.request.url.encode()).digest()
    for name, digest in ((rules.body_claim, body), (rules.url_claim, url)):
        if name is not None and not _digests_agree(claims.get(name), digest, rules):
            raise Refused(Reason.MISMATCH, f"The claim {name} belongs to another request.")
    issuer = claims.get("iss")
    if rules.issuer is not None and not (isinstance(issuer, str) and rules.issuer.fullmatch(issuer)):
        raise Refused(Reason.MISMATCH, "The token is of another issuer.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if rules.audience is not None and rules.audience not in audiences:
        raise Refused(Reason.MISMATCH, "The token is for another audience.")
    for name, expected in rules.claims.items():
        if _as_text(claims.get(name)) != expected:
            raise Refused(Reason.MISMATCH, f"The claim {name} is another.")
    return _check_moments(preset, rules, claims, now)


def _digests_agree(claim: object, digest: bytes, rules: JwtRules) -> bool:
    sent = decode(claim, rules.digest_encoding) if isinstance(claim, str) else None
    return hmac.compare_digest(sent or b"", digest)


def _check_moments(preset: Preset, rules: JwtRules, claims: Claims, now: float) -> float | None:
    issued, expires, begins = (_moment(claims, name) for name in ("iat", "exp", "nbf"))
    if (issued is None and rules.needs_issue_time) or (expires is None and rules.needs_expiry):
        raise Refused(Reason.MALFORMED, "The token does not say when it was issued, or when it expires.")
    if expires is not None and now >= expires + LEEWAY_S:
        raise Refused(Reason.STALE, f"The token expired {now - expires:.0f} s ago.")
    if begins is not None and now < begins - LEEWAY_S:
        raise Refused(Reason.STALE, f"The token becomes valid in {begins - now:.0f} s.")
    if issued is not None and rules.needs_issue_time:
        check_age(preset, issued, now)
    return issued


def _moment(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(Reason.MALFORMED, f"The claim {name} is no number.")
    return float(value)


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
