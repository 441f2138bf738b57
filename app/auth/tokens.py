"""The form of an access token: ``jf_svc_`` + 30 random base62 characters + 6 of checksum.

The prefix and the checksum let a secret scanner recognise a leaked token without asking anybody, and let
us refuse a mistyped one without asking the database. 30 base62 characters are 178 random bits, so a fast
keyed hash is enough to store.
"""

import hmac
import re
import secrets
import zlib
from hashlib import sha256
from typing import Final

from app.core.secret import Secret

PATTERN: Final = r"jf_(?:pat|svc|whk|cst)_[0-9A-Za-z]{36}"
"""For secret scanners, between word boundaries."""

SERVICE: Final = "svc"

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS: Final = 30
_CHECKSUM_CHARACTERS: Final = 6
_SHOWN_CHARACTERS: Final = 4
_WELL_FORMED: Final = re.compile(PATTERN)


def make(kind: str = SERVICE) -> Secret:
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return Secret(f"jf_{kind}_{body}{_checksum(f'jf_{kind}_{body}')}")


def is_well_formed(token: str) -> bool:
    return _WELL_FORMED.fullmatch(token) is not None and hmac.compare_digest(
        token[-_CHECKSUM_CHARACTERS:], _checksum(token[:-_CHECKSUM_CHARACTERS])
    )


def hash_token(token: str, pepper: bytes) -> bytes:
    """What is stored: 32 bytes that nobody without the pepper can test a guess against."""
    return hmac.digest(pepper, token.encode(), sha256)


def prefix(token: Secret) -> str:
    """What lists show, so that a person can tell two tokens apart: ``jf_svc_`` and four characters."""
    head, kind, body = token.reveal().split("_", 2)
    return f"{head}_{kind}_{body[:_SHOWN_CHARACTERS]}"


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits = []
    for _ in range(_CHECKSUM_CHARACTERS):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
