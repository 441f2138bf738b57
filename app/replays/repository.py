from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import TenantId
from app.db.repository import TenantRepository
from app.engine.claim import Claim
from app.executions.repository import ExecutionRepository
from app.models import Execution, Handler, Integration, Replay, ReplayStatus, Tenant, TenantStatus
from app.replays.schemas import ReplayFilter
from app.replays.selection import Candidate

NO_LANE: Final = 0
"""A replay waits in none."""

_CLAIM = text("SELECT tenant_id, id, fence FROM app.claim_replay(:lease)")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('replays ' || :tenant_id, 0))")


async def claim_replay(session: AsyncSession, lease: timedelta) -> Claim | None:
    """The right to the next turn of the replay that is due longest, whoever's it is."""
    row = (await session.execute(_CLAIM, {"lease": lease})).one_or_none()
    return None if row is None else Claim(TenantId(row.tenant_id), row.id, row.fence, NO_LANE)


class ReplayRepository(TenantRepository[Replay]):
    model = Replay

    async def count_running(self) -> int:
        """From here to the end of the transaction nobody else of the tenant's gets an answer."""
        await self.session.execute(_ALONE, {"tenant_id": str(self.tenant_id)})
        query = select(func.count()).where(
            Replay.tenant_id == self.tenant_id, Replay.status == ReplayStatus.RUNNING
        )
        return await self.session.scalar(query) or 0

    async def lock(self, id: UUID) -> Replay | None:
        return (
            await self.session.scalars(self.select().where(Replay.id == id).with_for_update())
        ).one_or_none()

    async def lock_claimed(self, claim: Claim) -> Replay | None:
        """The claim's replay if nobody claimed or ended it since. Locked, so that nobody will meanwhile."""
        row = await self.lock(claim.id)
        is_held = row is not None and row.fence == claim.fence and row.status == ReplayStatus.RUNNING
        return row if is_held else None

    async def count(self, row: Replay, wanted: ReplayFilter) -> int:
        matching = self._matching(row, wanted).with_only_columns(func.count())
        return await self.session.scalar(matching) or 0

    async def following(self, row: Replay, wanted: ReplayFilter, most: int) -> list[Candidate]:
        """The next executions after the cursor, the oldest first."""
        query = (
            self._matching(row, wanted)
            .where(Execution.id > row.cursor)
            .with_only_columns(Execution.id, Execution.handler_id, func.octet_length(Execution.body))
            .order_by(Execution.id)
            .limit(most)
        )
        return [Candidate(*found) for found in await self.session.execute(query)]

    async def originals(self, ids: Collection[UUID]) -> Sequence[Execution]:
        """The oldest first."""
        query = select(Execution).where(Execution.tenant_id == self.tenant_id, Execution.id.in_(ids))
        return (await self.session.scalars(query.order_by(Execution.id))).all()

    async def enabled_handlers(self, ids: Collection[UUID]) -> list[tuple[Handler, str | None]]:
        """Those of the handlers that may run, with the base URL of their integration."""
        query = (
            select(Handler, Integration.base_url)
            .join(
                Integration,
                (Integration.tenant_id == Handler.tenant_id) & (Integration.id == Handler.integration_id),
            )
            .where(
                Handler.tenant_id == self.tenant_id,
                Handler.id.in_(ids),
                Handler.enabled,
                Integration.enabled,
            )
        )
        return [(handler, base_url) for handler, base_url in await self.session.execute(query)]

    async def is_tenant_active(self) -> bool:
        query = select(Tenant.status).where(Tenant.id == self.tenant_id)
        return await self.session.scalar(query) == TenantStatus.ACTIVE

    async def unfinished_in(self, lane: int, most: int) -> int:
        """How many executions of a lane wait, run or will be tried again; counted up to ``most``."""
        unfinished = (
            select(Execution.id)
            .where(
                Execution.tenant_id == self.tenant_id, Execution.lane == lane, Execution.due_at.is_not(None)
            )
            .limit(most)
        )
        return await self.session.scalar(select(func.count()).select_from(unfinished.subquery())) or 0

    async def postpone(self, row: Replay, due_in: timedelta) -> None:
        """Leave the next turn to whoever comes first then."""
        await self.session.execute(
            update(Replay)
            .where(Replay.tenant_id == self.tenant_id, Replay.id == row.id)
            .values(due_at=func.clock_timestamp() + due_in)
        )

    def _matching(self, row: Replay, wanted: ReplayFilter) -> Select[Execution]:
        """What had ended when the replay began, by the database's clock: so none that a replay makes later.

        The bound by id adds nothing but that the days since are not read.
        """
        executions = ExecutionRepository(self.session, self.tenant_id)
        return executions.matching(wanted.executions()).where(
            Execution.status.in_(wanted.status),
            Execution.finished_at <= row.created_at,
            Execution.id < row.id,
        )
