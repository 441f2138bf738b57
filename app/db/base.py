"""What every table is made of."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, LargeBinary, MetaData, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from app.core.ids import TenantId, new_id

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

Json = dict[str, object]


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values are equal. Python's ``==`` would say so of ``true`` and ``1``."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other


class Document(JSONB):
    """JSONB that is written whenever the value differs as JSON."""

    def compare_values(self, x: object, y: object) -> bool:
        return is_same(x, y)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {
        str: Text,
        bytes: LargeBinary,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        Json: Document,
        list[str]: ARRAY(Text),
    }


class Timestamped:
    """When a row came and when it last changed."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class TenantScoped(Base):
    """A row that belongs to one tenant.

    Its key starts with the tenant, as every foreign key and unique index of it does: PostgreSQL checks
    neither of them under row-level security, so without the tenant in front they would tell one tenant
    about another.
    """

    __abstract__ = True

    tenant_id: Mapped[TenantId] = mapped_column(
        Uuid, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class Versioned(Timestamped):
    """A row that the API shows with an ``ETag``. Two writers of one version: the second one fails."""

    version: Mapped[int] = mapped_column(default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, object]:  # noqa: N805 - SQLAlchemy calls it with the class
        return {"version_id_col": cls.version}

    @property
    def etag(self) -> str:
        """The strong entity tag of this version (RFC 9110, section 8.8.3)."""
        return f'"{self.version}"'
