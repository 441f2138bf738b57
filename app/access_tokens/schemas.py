from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from app.web.schemas import Given, Moment, Name, Shown, Timestamp

ScopeText = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class AccessTokenCreate(Given):
    name: Name
    scopes: list[ScopeText] = Field(min_length=1, max_length=100)
    expires_at: Moment | None = Field(None, description="90 days from now unless given; 366 at most.")
    integration_id: UUID | None = Field(None, description="Binds the token to one integration.")


class AccessTokenRead(Shown):
    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    integration_id: UUID | None
    expires_at: Timestamp
    last_used_at: Timestamp | None
    created_at: Timestamp


class AccessTokenCreated(Shown):
    """The only answer that holds the token."""

    id: UUID
    name: str
    token: str
    prefix: str
    scopes: list[str]
    integration_id: UUID | None
    expires_at: Timestamp
    created_at: Timestamp
