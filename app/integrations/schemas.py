from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from app.web.schemas import Given, Name, Shown, Timestamp
from app.web.urls import check_base_url

Connector = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
BaseUrl = Annotated[str, StringConstraints(max_length=2048), AfterValidator(check_base_url)]
LinkKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
LinkTemplate = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Settings = Annotated[dict[str, object], Field(max_length=200)]
Links = Annotated[dict[LinkKey, LinkTemplate], Field(max_length=50)]


class IntegrationCreate(Given):
    name: Name
    connector: Connector | None = None
    enabled: StrictBool = True
    base_url: BaseUrl | None = None
    settings: Settings = Field(default_factory=dict)
    links: Links = Field(
        default_factory=dict, description="Key to URL template with {name}, {baseUrl}, {id}."
    )


class IntegrationUpdate(Given):
    """Absent fields stay as they are."""

    name: Name = ""
    connector: Connector | None = None
    enabled: StrictBool = True
    base_url: BaseUrl | None = None
    settings: Settings = Field(default_factory=dict)
    links: Links = Field(default_factory=dict)


class IntegrationRead(Shown):
    id: UUID
    name: str
    connector: str | None
    enabled: bool
    base_url: str | None
    settings: dict[str, object]
    links: dict[str, str]
    created_at: Timestamp
    updated_at: Timestamp


class LinkRead(Shown):
    key: str
    label: str
    url: str
