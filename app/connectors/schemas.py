from typing import Self

from pydantic import Field

from app.connectors.asking import asked_fields
from app.connectors.definition import AskedField, AuthKind, Connector
from app.web.schemas import Shown


class ConnectorRead(Shown):
    """A connector as a list shows it."""

    slug: str
    name: str
    categories: list[str]
    docs: str | None
    auth: list[AuthKind] = Field(description="The ways in, the recommended one first.")

    @classmethod
    def of(cls, one: Connector) -> Self:
        return cls(
            slug=one.slug, name=one.name, categories=one.categories, docs=one.docs, auth=one.auth.kinds
        )


class ConnectorDetails(Shown):
    connector: Connector = Field(
        description="The record: deviations from the specifications are written out."
    )
    fields: dict[AuthKind, list[AskedField]] = Field(
        description="What a person is asked for to connect an account, by way in."
    )

    @classmethod
    def of(cls, one: Connector) -> Self:
        return cls(connector=one, fields={kind: asked_fields(one, kind) for kind in one.auth.kinds})
