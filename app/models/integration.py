from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Json, TenantScoped, Versioned


class Integration(Versioned, TenantScoped):
    """One outside service as one tenant uses it."""

    __tablename__ = "integrations"
    __table_args__ = (
        Index("integrations_tenant_id_folded_name_key", "tenant_id", "folded_name", unique=True),
        Index("ix_integrations_tenant_id_created_at", "tenant_id", "created_at", "id"),
    )

    name: Mapped[str]
    folded_name: Mapped[str]
    """``name.casefold()``: what is unique and searched. Folded here, so that no database locale decides."""
    connector: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    base_url: Mapped[str | None]
    settings: Mapped[Json] = mapped_column(default=dict)
    links: Mapped[Json] = mapped_column(default=dict)


class OfIntegration(TenantScoped):
    """A row under one integration, with which it goes."""

    __abstract__ = True

    integration_id: Mapped[UUID]


def belongs_to_an_integration() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "integration_id"], ["integrations.tenant_id", "integrations.id"], ondelete="CASCADE"
    )
