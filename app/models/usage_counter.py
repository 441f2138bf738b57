from datetime import date
from enum import StrEnum

from sqlalchemy import Date, ForeignKey, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import TenantId
from app.db.base import Base


class Metric(StrEnum):
    EXECUTIONS = "executions"


class UsageCounter(Base):
    """What a tenant has used on one day (UTC), with what processes have reserved for the next minute."""

    __tablename__ = "usage_counters"

    tenant_id: Mapped[TenantId] = mapped_column(
        Uuid, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True
    )
    metric: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    used: Mapped[int] = mapped_column(default=0)
    is_near: Mapped[bool] = mapped_column(default=False)
    """Whether ``usage.threshold_reached`` was published."""
    is_exceeded: Mapped[bool] = mapped_column(default=False)
    """Whether ``usage.limit_exceeded`` was published."""
