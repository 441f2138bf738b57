from typing import Self
from uuid import UUID

from pydantic import Field

from app.core.crypto import to_text
from app.models import Secret
from app.sealing.schemas import Plaintext, SealedKey
from app.web.schemas import Given, Shown, Timestamp


class SecretCreate(Given):
    key: SealedKey
    value: Plaintext


class SecretUpdate(Given):
    """The key never changes: handlers refer to it."""

    value: Plaintext


class SecretRead(Shown):
    id: UUID
    integration_id: UUID
    key: str
    value: str = Field(description="The sealed form, `jfs1.…`. Nothing shows the value itself.")
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Secret) -> Self:
        return cls(
            id=row.id,
            integration_id=row.integration_id,
            key=row.key,
            value=to_text(row.sealed),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
