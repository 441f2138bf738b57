from typing import Self

from pydantic import Field

from app.connectors.asking import asked_fields
from app.connectors.definition import AskedField, AuthKind, Connector
from app.connectors.service import Known, Origin
from app.web.schemas import Given, Shown


class ConnectorPut(Given):
    record: dict[str, object] = Field(
        description="What is otherwise than in the catalogue, as JSON Merge Patch (RFC 7396); a whole record "
        "where the catalogue has none. The slug is that of the address."
    )


class ConnectorRead(Shown):
    """A connector as a list shows it."""

    slug: str
    name: str
    categories: list[str]
    docs: str | None
    auth: list[AuthKind] = Field(description="The ways in, the recommended one first.")
    origin: Origin

    @classmethod
    def of(cls, known: Known) -> Self:
        one = known.connector
        return cls(
            slug=one.slug,
            name=one.name,
            categories=one.categories,
            docs=one.docs,
            auth=one.auth.kinds,
            origin=known.origin,
        )


class ConnectorDetails(Shown):
    origin: Origin
    connector: Connector = Field(description="As it applies; defaults are written out.")
    record: dict[str, object] | None = Field(description="What the tenant has otherwise.")
    fields: dict[AuthKind, list[AskedField]] = Field(
        description="What a person is asked for to connect an account, by way in."
    )

    @classmethod
    def of(cls, known: Known) -> Self:
        one = known.connector
        return cls(
            origin=known.origin,
            connector=one,
            record=None if known.row is None else known.row.record,
            fields={kind: asked_fields(one, kind) for kind in one.auth.kinds},
        )
