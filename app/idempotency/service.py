"""The same request twice has one effect and one answer (draft-ietf-httpapi-idempotency-key-header-07)."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from app.core.ids import new_id
from app.core.secret import Secret
from app.idempotency.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from app.idempotency.repository import IdempotencyRepository
from app.models import IdempotencyKey
from app.sealing.service import Sealer

KEPT_HEADERS = ("content-type", "location", "etag", "cache-control")


@dataclass(frozen=True, slots=True)
class Attempted:
    """One keyed request: what makes it the same as another."""

    key: str
    method: str
    path: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def fingerprint(pepper: bytes, *parts: bytes) -> bytes:
    """What two requests have in common only when they agree in every part.

    Keyed: a body may hold a secret so short that it could be guessed from a plain hash of it.
    """
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(pepper, b"idempotency" + framed, sha256)


class IdempotencyService:
    """Remembers answers for 24 hours, in the transaction of the effect: never one without the other."""

    def __init__(self, keys: IdempotencyRepository, sealer: Sealer) -> None:
        self._keys = keys
        self._sealer = sealer

    async def recall(self, attempted: Attempted) -> Answer | None:
        """The first answer; None for a new key. Raises ``IdempotencyKeyInUse``, ``IdempotencyKeyReused``."""
        name = f"{self._keys.tenant_id} {attempted.method} {attempted.path} {attempted.key}"
        if not await self._keys.try_lock(name):
            raise IdempotencyKeyInUse(headers={"Retry-After": "1"})
        row = await self._keys.find_key(attempted.key, attempted.method, attempted.path)
        if row is None:
            return None
        if not hmac.compare_digest(row.fingerprint, attempted.fingerprint):
            raise IdempotencyKeyReused
        body = await self._sealer.open(row.sealed_body, "idempotency_keys", row.id)
        headers = {name: str(value) for name, value in row.headers.items()}
        return Answer(row.status, headers, base64.b64decode(body.reveal()))

    async def remember(self, attempted: Attempted, answer: Answer) -> None:
        id = new_id()
        body = Secret(base64.b64encode(answer.body).decode())
        await self._keys.add(
            IdempotencyKey(
                id=id,
                key=attempted.key,
                method=attempted.method,
                path=attempted.path,
                fingerprint=attempted.fingerprint,
                status=answer.status,
                headers={name: value for name, value in answer.headers.items() if name in KEPT_HEADERS},
                sealed_body=await self._sealer.seal(body, "idempotency_keys", id),
            )
        )
