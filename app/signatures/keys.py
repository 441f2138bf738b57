"""From the text of a secret to a key, from the text of a signature to bytes, and whether the two agree."""

import base64
import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

Algorithm = Literal[
    "hmac-md5",
    "hmac-sha1",
    "hmac-sha256",
    "hmac-sha512",
    "sha1",
    "sha256",
    "ed25519",
    "ecdsa-p256",
    "rsa-sha256",
    "token",
]
"""A MAC; a plain digest of a message that holds the secret; a public key's signature; the secret itself."""
Encoding = Literal["hex", "base64", "base64url", "utf8"]
KeyCodec = Literal["utf8", "nfkd", "base64", "whsec", "hex", "sha1", "sha256", "public"]
"""How a secret is written: text; text in Unicode's form NFKD; bytes; text of which the digest is the key; a
public key as PEM, certificate or base64 of its DER."""

Key = bytes | Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

PUBLIC_KEY_ALGORITHMS = frozenset({"ed25519", "ecdsa-p256", "rsa-sha256"})
MIN_RSA_BITS = 2048

_PADDING = ("", "===", "==", "=")
_URL_SAFE = str.maketrans("-_+/", "+/**")
"""To the usual alphabet; what only that one has becomes invalid."""


def decode(text: str, encoding: Encoding | KeyCodec) -> bytes | None:
    """The bytes; None when the text is not of that form. Padding may be missing, as it often is."""
    try:
        if encoding == "hex":
            return binascii.unhexlify(text)
        if encoding == "utf8":
            return text.encode("latin-1")
        if encoding == "base64url":
            text = text.translate(_URL_SAFE)
        return binascii.a2b_base64(text + _PADDING[len(text) % 4], strict_mode=True)
    except ValueError:
        return None


def encode(value: bytes, encoding: Encoding) -> str:
    match encoding:
        case "hex":
            return value.hex()
        case "base64url":
            return base64.urlsafe_b64encode(value).decode().rstrip("=")
        case "base64" | "utf8":
            return base64.b64encode(value).decode()


def read_key(text: str, codec: KeyCodec, algorithm: Algorithm) -> Key | None:
    """None when the secret is empty, or not of the form that the codec and the algorithm ask for."""
    if not text:
        return None
    if algorithm in PUBLIC_KEY_ALGORITHMS:
        return _public_key(text.strip(), codec, algorithm)
    derive = _DERIVATIONS.get(codec)
    if derive is not None:
        return derive(text)
    text = text.strip()
    return None if codec == "public" else decode(text.removeprefix("whsec_"), codec) or None


def agrees(algorithm: Algorithm, key: Key, message: bytes, signatures: Sequence[bytes]) -> bool:
    """Whether one of the signatures is the key's over the message; bytes are compared in constant time."""
    if not isinstance(key, bytes):
        check = _VERIFIERS.get(algorithm)
        return check is not None and any(check(key, message, signature) for signature in signatures)
    if algorithm == "token":
        # Digests, so that not even the length of the secret shows.
        expected = hashlib.sha256(key).digest()
        return any(
            hmac.compare_digest(expected, hashlib.sha256(signature).digest()) for signature in signatures
        )
    expected = mac(algorithm, key, message)
    for signature in signatures:  # noqa: SIM110 -- a generator costs as much as the comparison
        if hmac.compare_digest(expected, signature):
            return True
    return False


def mac(algorithm: Algorithm, key: bytes, message: bytes) -> bytes:
    """ValueError for an algorithm that makes none."""
    digest = HMACS.get(algorithm)
    if digest is not None:
        return hmac.digest(key, message, digest)
    if algorithm in {"sha1", "sha256"}:
        return hashlib.new(algorithm, message).digest()
    raise ValueError(f"{algorithm} is no message authentication code")


class PreparedMac:
    """HMAC (RFC 2104) with a key that is used again and again: its two blocks are hashed once.

    Half of what a MAC of a kilobyte costs otherwise.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, digest: str) -> None:
        inner, outer = hashlib.new(digest), hashlib.new(digest)
        block = (key if len(key) <= inner.block_size else hashlib.new(digest, key).digest()).ljust(
            inner.block_size, b"\0"
        )
        inner.update(bytes(byte ^ 0x36 for byte in block))
        outer.update(bytes(byte ^ 0x5C for byte in block))
        self._inner, self._outer = inner, outer

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def load_public_key(text: str) -> Key | None:
    """From PEM, from a certificate in PEM, or from base64 of a SubjectPublicKeyInfo."""
    key: object
    try:
        if text.startswith("-----BEGIN CERTIFICATE"):
            key = load_pem_x509_certificate(text.encode()).public_key()
        elif text.startswith("-----BEGIN"):
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey) else None


def rsa_agrees(key: object, message: bytes, signature: bytes, digest: type[SHA1 | SHA256]) -> bool:
    """RSASSA-PKCS1-v1_5 (RFC 8017), with a key of at least 2048 bits."""
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        return False
    try:
        key.verify(signature, message, PKCS1v15(), digest())
    except InvalidSignature:
        return False
    return True


def _nfkd(text: str) -> bytes:
    return unicodedata.normalize("NFKD", text).encode()


def _sha1(text: str) -> bytes:
    return hashlib.sha1(text.encode()).digest()  # noqa: S324 -- what the sender does


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


_DERIVATIONS: Mapping[str, Callable[[str], bytes]] = {
    "utf8": str.encode,
    "nfkd": _nfkd,
    "sha1": _sha1,
    "sha256": _sha256,
}
HMACS: Mapping[str, str] = {
    "hmac-md5": "md5",
    "hmac-sha1": "sha1",
    "hmac-sha256": "sha256",
    "hmac-sha512": "sha512",
}
_KINDS: Mapping[str, type[Key]] = {
    "ed25519": Ed25519PublicKey,
    "ecdsa-p256": EllipticCurvePublicKey,
    "rsa-sha256": RSAPublicKey,
}


def _public_key(text: str, codec: KeyCodec, algorithm: Algorithm) -> Key | None:
    if codec == "public":
        key = load_public_key(text)
        return key if isinstance(key, _KINDS[algorithm]) else None
    raw = decode(text.removeprefix("whpk_"), "base64" if codec == "whsec" else codec)
    if raw is None or algorithm != "ed25519":
        return None
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        return None


def _ed25519_agrees(key: Key, message: bytes, signature: bytes) -> bool:
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _ecdsa_agrees(key: Key, message: bytes, signature: bytes) -> bool:
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return False
    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _rsa_sha256_agrees(key: Key, message: bytes, signature: bytes) -> bool:
    return rsa_agrees(key, message, signature, SHA256)


_VERIFIERS: Mapping[str, Callable[[Key, bytes, bytes], bool]] = {
    "ed25519": _ed25519_agrees,
    "ecdsa-p256": _ecdsa_agrees,
    "rsa-sha256": _rsa_sha256_agrees,
}
