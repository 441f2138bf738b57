"""One turn of a replay: the next executions are admitted, and its cursor moved, in one transaction.

So whoever is killed in the middle of a turn leaves nothing of it behind, and the next one begins where the
last whole turn ended: nothing is replayed twice, nothing is left out.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.recorder import AuditRecorder
from app.auth.context import Actor, Context, Origin
from app.core import clock
from app.core.ids import TenantId
from app.db.session import driver_of
from app.engine.claim import Claim
from app.executions.admission import NewExecution, Received, Recipient, queue, recipient_of
from app.executions.repository import admit_all
from app.models import AuditAction, Execution, Replay, ReplayStatus, Trigger
from app.replays.repository import ReplayRepository
from app.replays.schemas import ReplayFilter
from app.replays.selection import Candidate, take
from app.replays.service import progress_of, resource_of

MAX_BATCH: Final = 500
MOST_UNFINISHED: Final = 1000
"""Executions in one lane, beyond which a replay adds none to it."""
UNTIL_ROOM: Final = timedelta(seconds=1)
WHILE_SUSPENDED: Final = timedelta(minutes=1)


async def take_turn(session: AsyncSession, claim: Claim) -> None:
    """``session``: the claim's tenant's. Does nothing when the claim was lost or the replay cancelled."""
    replays = ReplayRepository(session, claim.tenant_id)
    row = await replays.lock_claimed(claim)
    if row is None:
        return
    if not await replays.is_tenant_active():
        await replays.postpone(row, WHILE_SUSPENDED)
        return
    most = min(MAX_BATCH, row.rate_per_second)
    candidates = await replays.following(row, ReplayFilter.model_validate(row.filter), most)
    recipients = await _recipients(replays, candidates)
    taken = await _with_room(replays, candidates, recipients)
    if candidates and not taken:
        await replays.postpone(row, UNTIL_ROOM)
        return
    admitted = await _admit(replays, row, taken, recipients)
    if taken:
        row.cursor = taken[-1].id
        row.replayed += admitted
        row.skipped += len(taken) - admitted
    if len(candidates) < most and len(taken) == len(candidates):
        _finish(session, claim.tenant_id, row)
    else:
        await replays.flush()
        await replays.postpone(row, timedelta(seconds=admitted / row.rate_per_second))


async def _recipients(replays: ReplayRepository, candidates: Sequence[Candidate]) -> Mapping[UUID, Recipient]:
    """By handler, without those that are disabled or gone."""
    enabled = await replays.enabled_handlers({candidate.handler_id for candidate in candidates})
    return {handler.id: recipient_of(handler, base_url) for handler, base_url in enabled}


async def _with_room(
    replays: ReplayRepository, candidates: Sequence[Candidate], recipients: Mapping[UUID, Recipient]
) -> Sequence[Candidate]:
    lanes = {handler_id: recipient.lane for handler_id, recipient in recipients.items()}
    room = {
        lane: MOST_UNFINISHED - await replays.unfinished_in(lane, MOST_UNFINISHED)
        for lane in {*lanes.values()}
    }
    return take(candidates, lanes, room)


async def _admit(
    replays: ReplayRepository,
    row: Replay,
    taken: Sequence[Candidate],
    recipients: Mapping[UUID, Recipient],
) -> int:
    """How many were admitted: not those whose handler is disabled, or went this moment."""
    ids = [candidate.id for candidate in taken if candidate.handler_id in recipients]
    originals = await replays.originals(ids) if ids else []
    new = [_again(original, recipients[original.handler_id], row.request_id) for original in originals]
    return len(await admit_all(await driver_of(replays.session), new)) if new else 0


def _again(original: Execution, recipient: Recipient, request_id: str | None) -> NewExecution:
    received = Received(
        method=original.method,
        query=original.query,
        headers=[(name, value) for name, value in original.headers],
        body=original.body,
        peer=original.peer,
        request_id=request_id,
    )
    return queue(recipient, Trigger.REPLAY, received, replay_of=original.id)


def _finish(session: AsyncSession, tenant_id: TenantId, row: Replay) -> None:
    """What matched and went meanwhile, with its handler or its day, was skipped too."""
    row.matched = max(row.matched, row.replayed + row.skipped)
    row.skipped = row.matched - row.replayed
    row.status, row.due_at, row.finished_at = ReplayStatus.FINISHED, None, clock.now()
    context = Context(tenant_id, "", Actor("worker", "replays", "replays"), origin=Origin(row.request_id))
    AuditRecorder(session, context).record(AuditAction.REPLAY_FINISHED, resource_of(row), progress_of(row))
