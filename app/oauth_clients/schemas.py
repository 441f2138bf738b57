from typing import Annotated, Self

from pydantic import Field, StringConstraints

from app.models import OAuthClient
from app.sealing.schemas import Plaintext
from app.web.schemas import Given, Shown, Timestamp

ClientId = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,512}$")]
Scopes = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=256)]] | None,
    Field(max_length=64, description="What is asked for; null: the connector's own."),
]


class OAuthClientPut(Given):
    """Without ``clientSecret`` the one that is kept stays; null is for a public client."""

    client_id: ClientId
    client_secret: Plaintext | None = None
    scopes: Scopes = None


class OAuthClientRead(Shown):
    connector: str
    client_id: str
    has_secret: bool = Field(description="Nothing shows the secret itself.")
    scopes: list[str] | None
    generation: int = Field(description="Another one whenever id or secret is.")
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: OAuthClient) -> Self:
        return cls(
            connector=row.connector,
            client_id=row.client_id,
            has_secret=row.sealed is not None,
            scopes=row.scopes,
            generation=row.generation,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
