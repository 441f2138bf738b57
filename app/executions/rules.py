"""What an operation's description says of its arguments: a port, for those are read in a layer above."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.handlers.targets import OperationTarget


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where: location and name, or ``body``, and the way from there. Tells no value."""

    path: tuple[str | int, ...]
    message: str


Check = Callable[[Mapping[str, Mapping[str, object]], object], list[Finding]]
"""Of parameters by location and name, and of a body, None where there is none to be checked."""


class Rules(Protocol):
    """Of one handler."""

    async def check(self) -> Check | None:
        """None where nothing is known. Raises ``RulesUnreadable``. Asks the database, the first time."""


class RuleBook(Protocol):
    async def of(
        self, session: AsyncSession, tenant_id: TenantId, integration_id: UUID, target: OperationTarget
    ) -> Rules | None:
        """None for an operation of an integration that has no description."""
