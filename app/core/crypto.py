"""The envelope of one sealed value and the keys that open it. Pure: no database, no settings, no clock.

    master key (KEK)   outside the database: a file in the data folder, or the environment
     └─ tenant key     32 random bytes per tenant and version, stored wrapped by the master key
         └─ value key  HKDF-SHA256(tenant key, 24 random bytes of salt): never used twice

A value's envelope is one opaque byte string; all offsets are fixed, so that a CHECK constraint can
tell it from plaintext:

    version 1 | algorithm 1 | key id 16 | salt 24 | commitment 16 | ciphertext n | tag 16

The derived key is used once, so the GCM nonce is constant (NIST SP 800-38D, section 8.3: no two
messages under one key and nonce). The commitment makes a ciphertext open under one key only.
"""

import base64
import binascii
import hmac
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION: Final = 1
AES_256_GCM: Final = 1
KEY_SIZE: Final = 32
SEALED_PREFIX: Final = "jfs1."

_HEADER: Final = struct.Struct("!BB16s24s16s")
_SALT_SIZE: Final = 24
_COMMITMENT_SIZE: Final = 16
_TAG_SIZE: Final = 16
_NONCE: Final = bytes(12)
_NONCE_SIZE: Final = 12

OVERHEAD: Final = _HEADER.size + _TAG_SIZE
"""Bytes that an envelope adds to the plaintext: 74."""


class CannotOpen(Exception):
    """A sealed value does not open: another key, another place, or bytes that were changed."""


@dataclass(frozen=True, slots=True)
class Place:
    """The one cell that a sealed value belongs to. Moved to another cell, it does not open."""

    tenant_id: UUID
    table: str
    column: str
    row_id: UUID


class DataKey:
    """A tenant's key of one version. Seals values and opens those that name it."""

    __slots__ = ("_material", "id")

    def __init__(self, id: UUID, material: bytes) -> None:
        if len(material) != KEY_SIZE:
            raise ValueError(f"a data key has {KEY_SIZE} bytes")
        self.id = id
        self._material = material

    def __repr__(self) -> str:
        return f"DataKey({self.id})"

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        salt = os.urandom(_SALT_SIZE)
        key, commitment = self._derive(salt)
        header = _HEADER.pack(VERSION, AES_256_GCM, self.id.bytes, salt, commitment)
        return header + AESGCM(key).encrypt(_NONCE, plaintext, _bound(self.id, place))

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The plaintext; raises ``CannotOpen``."""
        if key_id_of(sealed) != self.id:
            raise CannotOpen("the value is sealed with another key")
        _, _, _, salt, commitment = _HEADER.unpack_from(sealed)
        key, expected = self._derive(salt)
        if not hmac.compare_digest(commitment, expected):
            raise CannotOpen("the key does not match the value's commitment")
        try:
            return AESGCM(key).decrypt(_NONCE, sealed[_HEADER.size :], _bound(self.id, place))
        except InvalidTag:
            raise CannotOpen("the value was changed or moved") from None

    def _derive(self, salt: bytes) -> tuple[bytes, bytes]:
        derivation = HKDF(SHA256(), KEY_SIZE + _COMMITMENT_SIZE, salt, b"jackfield/v1/value")
        derived = derivation.derive(self._material)
        return derived[:KEY_SIZE], derived[KEY_SIZE:]


class MasterKey:
    """A key-encryption key: wraps other keys, never a value. Its id is its fingerprint."""

    __slots__ = ("_cipher", "id")

    def __init__(self, material: bytes) -> None:
        if len(material) != KEY_SIZE:
            raise ValueError(f"a master key has {KEY_SIZE} bytes")
        self.id = sha256(b"jackfield/v1/master-key-id" + material).hexdigest()[:16]
        self._cipher = AESGCM(material)

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    def wrap(self, material: bytes, purpose: str) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, material, self._bound(purpose))

    def unwrap(self, wrapped: bytes, purpose: str) -> bytes:
        """The wrapped key; raises ``CannotOpen``."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_SIZE], wrapped[_NONCE_SIZE:], self._bound(purpose))
        except (InvalidTag, ValueError):  # a ValueError where there are too few bytes even for the nonce
            raise CannotOpen(f"master key {self.id} does not open {purpose}") from None

    def _bound(self, purpose: str) -> bytes:
        return _length_prefixed(b"jackfield", b"wrap", self.id.encode(), purpose.encode())


class MasterKeys:
    """Wraps with the active master key and unwraps with any, so that a rolling deploy can change keys."""

    def __init__(self, active: MasterKey, also_decrypt: Sequence[MasterKey] = ()) -> None:
        self.active = active
        self._by_id = {key.id: key for key in (active, *also_decrypt)}

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._by_id)

    def wrap(self, material: bytes, purpose: str) -> tuple[str, bytes]:
        """``(master key id, wrapped bytes)``."""
        return self.active.id, self.active.wrap(material, purpose)

    def unwrap(self, master_key_id: str, wrapped: bytes, purpose: str) -> bytes:
        key = self._by_id.get(master_key_id)
        if key is None:
            raise CannotOpen(f"master key {master_key_id} is not configured")
        return key.unwrap(wrapped, purpose)


def new_key() -> bytes:
    return os.urandom(KEY_SIZE)


def key_id_of(sealed: bytes) -> UUID:
    """Which data key sealed this; raises ``CannotOpen`` for anything that is not a version 1 envelope."""
    if len(sealed) < OVERHEAD or sealed[0] != VERSION or sealed[1] != AES_256_GCM:
        raise CannotOpen("not a sealed value of a known version")
    return UUID(bytes=sealed[2:18])


def to_text(sealed: bytes) -> str:
    """The sealed form that the API shows: ``jfs1.`` and URL-safe base64 without padding."""
    return SEALED_PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def decode_key(text: str) -> bytes:
    """A key from base64 or hex; raises ``ValueError`` that names no byte of it."""
    stripped = text.strip()
    try:
        is_hex = len(stripped) == 2 * KEY_SIZE
        material = bytes.fromhex(stripped) if is_hex else base64.b64decode(stripped, validate=True)
    except (ValueError, binascii.Error):
        material = b""
    if len(material) != KEY_SIZE:
        raise ValueError(f"a key is {KEY_SIZE} bytes, in base64 or hex")
    return material


def _bound(key_id: UUID, place: Place) -> bytes:
    return _length_prefixed(
        b"jackfield",
        bytes((VERSION, AES_256_GCM)),
        key_id.bytes,
        place.tenant_id.bytes,
        place.table.encode(),
        place.column.encode(),
        place.row_id.bytes,
    )


def _length_prefixed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
