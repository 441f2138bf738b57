from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator

from app.models import TenantStatus
from app.tenants.limits import TenantLimits, TenantLimitsRead
from app.web.schemas import Given, Name, Shown, Timestamp

# A DNS label (RFC 1035, section 2.3.1): the slug can be a host name's first label.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class TenantCreate(Given):
    slug: Slug
    name: Name | None = None
    limits: TenantLimits | None = None


class TenantUpdate(Given):
    """Absent fields stay as they are."""

    name: Name = ""
    status: TenantStatus = TenantStatus.ACTIVE
    limits: TenantLimits | None = Field(
        None, description="All of them: what is left out is left to the service."
    )


class TenantRead(Shown):
    id: UUID
    slug: str
    name: str
    status: TenantStatus
    limits: TenantLimitsRead = Field(description="What was set for this tenant; null: the service's own.")
    created_at: Timestamp
    updated_at: Timestamp

    @field_validator("limits", mode="before")
    @classmethod
    def _nothing_was_set(cls, value: object) -> object:
        return {} if value is None else value
