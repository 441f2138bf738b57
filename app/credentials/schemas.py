from typing import Self
from uuid import UUID

from pydantic import Field

from app.core.crypto import to_text
from app.core.secret import Secret
from app.models import Credential, CredentialSource
from app.sealing.schemas import Plaintext, SealedKey
from app.web.schemas import Given, Shown, Timestamp


class CredentialCreate(Given):
    key: SealedKey
    value: Plaintext


class CredentialUpdate(Given):
    """The key never changes: handlers refer to it."""

    value: Plaintext


class CredentialRead(Shown):
    id: UUID
    integration_id: UUID
    key: str
    value: str = Field(
        description="The value for a caller with `credentials:read`, else its sealed form, `jfs1.…`."
    )
    source: CredentialSource = Field(description="`oauth`: a connection keeps it; PUT and DELETE give 409.")
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Credential, plaintext: Secret | None) -> Self:
        """``plaintext`` is None for a caller who may write but not read."""
        return cls(
            id=row.id,
            integration_id=row.integration_id,
            key=row.key,
            value=to_text(row.sealed) if plaintext is None else plaintext.reveal(),
            source=CredentialSource(row.source),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
