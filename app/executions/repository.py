from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Select, select

from app.core.errors import NotFound
from app.core.ids import TenantId, first_id
from app.db.base import Base, Json
from app.db.bulk import dump, insertion_of
from app.db.repository import TenantRepository
from app.db.session import driver_of
from app.engine.claim import Claim
from app.executions.admission import NewExecution
from app.models import Attempt, AuditRecord, Event, Execution, ExecutionStatus, Trigger
from app.models.execution import Headers


class Claimed(NamedTuple):
    """A claimed execution, as far as running it takes."""

    id: UUID
    fence: int
    integration_id: UUID
    handler_id: UUID
    trigger: str
    method: str
    query: str
    headers: Headers
    body: bytes
    peer: str | None
    request_id: str | None
    trace_parent: str | None
    max_attempts: int
    attempt_count: int


@dataclass(slots=True)
class Records:
    """Rows by their table, of any number of attempts; each names the execution that it belongs to."""

    attempts: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    audit_records: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class Finish:
    """``due_in``: until the next attempt; None ends it."""

    claim: Claim
    status: str
    reason: str | None
    due_in: timedelta | None


# In both: the bounds lead to the partitions, the array to the rows; one statement for any number of them.
_COLUMNS = ", ".join(Claimed._fields)
_CLAIMED = " ".join(
    (
        "SELECT " + _COLUMNS,
        "FROM executions WHERE tenant_id = $1 AND id BETWEEN $2 AND $3 AND id = ANY ($4)",
        "AND status = 'running'",
    )
)
_FINISH = """
    UPDATE executions e
    SET status = f.status, status_reason = f.reason, attempt_count = e.attempt_count + 1,
        due_at = now() + make_interval(secs => f.due_in),
        finished_at = CASE WHEN f.due_in IS NULL THEN clock_timestamp() END
    FROM json_to_recordset($2)
        AS f (id uuid, fence bigint, status text, reason text, due_in double precision)
    WHERE e.tenant_id = $1 AND e.id BETWEEN $3 AND $4 AND e.id = ANY ($5)
        AND e.id = f.id AND e.fence = f.fence AND e.status = 'running'
    RETURNING e.id
"""
_FINISH_PARAMETERS: Final = 5
_EXECUTION: Final[Mapping[type[Base], str]] = {
    Attempt: "given.execution_id",
    Event: "CAST(given.resource_id AS uuid)",
    AuditRecord: "CAST(given.resource_id AS uuid)",
}
"""What says which execution a record is of."""
_ADMIT = "SELECT id, admitted FROM app.admit_executions($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    integration_id: UUID | None = None
    handler_id: UUID | None = None
    status: str | None = None
    trigger: str | None = None
    reason: str | None = None
    """How ``status_reason`` begins."""
    since: datetime | None = None
    until: datetime | None = None


async def admit_all(connection: asyncpg.Connection, rows: Sequence[NewExecution]) -> dict[UUID, UUID]:
    """Store executions of any tenants in one statement: for each, by its id, the id of the one there is.

    That is another's where the delivery was seen before. Those whose handler is gone are left out. The same
    call again stores nothing and answers the same.
    """
    recipients: dict[int, Json] = {}
    given: list[Json] = []
    for number, new in enumerate(rows, start=1):
        place = id(new.recipient)
        if place not in recipients:
            recipients[place] = {**new.recipient.as_json, "r": len(recipients)}
        given.append(_as_json(recipients[place]["r"], number, new))
    found = await connection.fetch(
        _ADMIT,
        orjson.dumps([*recipients.values()]).decode(),
        orjson.dumps(given).decode(),
        [new.received.body for new in rows],
    )
    return {id: admitted for id, admitted in found if admitted is not None}


async def claimed(
    connection: asyncpg.Connection, tenant_id: TenantId, claims: Sequence[Claim]
) -> list[Claimed]:
    """What the claims of one tenant are for, without those that were lost meanwhile."""
    fences = {claim.id: claim.fence for claim in claims}
    found = await connection.fetch(_CLAIMED, tenant_id, min(fences), max(fences), [*fences])
    rows = map(Claimed._make, found)
    return [row for row in rows if row.fence == fences[row.id]]


async def finish(
    connection: asyncpg.Connection, tenant_id: TenantId, finished: Sequence[Finish], records: Records
) -> set[UUID]:
    """End or requeue what is still held under its claim, and keep the records of it; the ids of those."""
    rows = sorted(finished, key=lambda one: one.claim.id)
    ids = [one.claim.id for one in rows]
    kept = [(table, given) for table, given in _tables(records) if given]
    statement = _storing(tuple((table, tuple(given[0])) for table, given in kept))
    found = await connection.fetch(
        statement,
        tenant_id,
        dump([_finished(one) for one in rows]),
        ids[0],
        ids[-1],
        ids,
        *(dump(given) for _, given in kept),
    )
    return {id for (id,) in found}


def _tables(records: Records) -> tuple[tuple[type[Base], Sequence[Json]], ...]:
    return (Attempt, records.attempts), (Event, records.events), (AuditRecord, records.audit_records)


@cache
def _storing(tables: tuple[tuple[type[Base], tuple[str, ...]], ...]) -> str:
    """One statement for all of it: a record is kept only if its execution was still held."""
    parts = [f"held AS ({_FINISH})"]
    for number, (table, names) in enumerate(tables, start=_FINISH_PARAMETERS + 1):
        insertion = insertion_of(table, names, f"${number}")
        is_held = (_EXECUTION[table], "IN (SELECT id FROM held)")
        parts.append(" ".join((f"kept_{number} AS (", insertion, "WHERE", *is_held, ")")))
    return " ".join(("WITH", ", ".join(parts), "SELECT id FROM held"))


def _as_json(recipient: object, number: int, new: NewExecution) -> Json:
    """As ``app.admit_executions`` takes it, with the places of its recipient and of its body.

    What most have in common is left out: that is its default there.
    """
    received = new.received
    made: Json = {
        "r": recipient,
        "n": number,
        "id": new.id,
        "request_id": received.request_id,
        "headers": received.headers,
        "peer": received.peer,
        "max_attempts": new.max_attempts,
        "created_at": new.created_at,
        "key": new.key,
    }
    if received.method != "POST":
        made["method"] = received.method
    if received.query:
        made["query"] = received.query
    if received.trace_parent is not None:
        made["trace_parent"] = received.trace_parent
    if new.trigger is not Trigger.WEBHOOK or new.status is not ExecutionStatus.QUEUED or new.due_in:
        made |= {
            "trigger": new.trigger,
            "status": new.status,
            "replay_of": None if new.replay_of is None else str(new.replay_of),
            "due_in": new.due_in.total_seconds(),
            "fence": new.fence,
        }
    return made


def _finished(one: Finish) -> Json:
    return {
        "id": str(one.claim.id),
        "fence": one.claim.fence,
        "status": one.status,
        "reason": one.reason,
        "due_in": None if one.due_in is None else one.due_in.total_seconds(),
    }


class ExecutionRepository(TenantRepository[Execution]):
    model = Execution

    def matching(self, wanted: ExecutionFilter) -> Select[Execution]:
        query = self.select()
        for column, value in (
            (Execution.integration_id, wanted.integration_id),
            (Execution.handler_id, wanted.handler_id),
            (Execution.status, wanted.status),
            (Execution.trigger, wanted.trigger),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.reason is not None:
            query = query.where(Execution.status_reason.startswith(wanted.reason, autoescape=True))
        # By id, which holds the moment: so only the partitions of those days are read.
        if wanted.since is not None:
            query = query.where(Execution.id >= first_id(wanted.since))
        if wanted.until is not None:
            query = query.where(Execution.id < first_id(wanted.until))
        return query

    async def admit(self, new: NewExecution) -> UUID:
        """Store it in the caller's transaction, unless its delivery was seen before: then the id of that one.

        Raises ``NotFound`` when the handler is gone.
        """
        admitted = (await admit_all(await driver_of(self.session), [new])).get(new.id)
        if admitted is None:
            raise NotFound
        return admitted

    async def last_answer(self, execution_id: UUID) -> Attempt | None:
        """The attempt that an ended execution ended with."""
        query = (
            select(Attempt)
            .join(
                Execution,
                (Execution.tenant_id == Attempt.tenant_id) & (Execution.id == Attempt.execution_id),
            )
            .where(
                Attempt.tenant_id == self.tenant_id,
                Attempt.execution_id == execution_id,
                Attempt.status_code.is_not(None),
                Execution.finished_at.is_not(None),
            )
            .order_by(Attempt.number.desc())
            .limit(1)
        )
        return (await self.session.scalars(query)).one_or_none()

    async def let_retry(self, execution_id: UUID, max_attempts: int) -> None:
        """Nobody waits for the answer any more: from now on a failure is tried again."""
        execution = await self.find(execution_id)
        if execution is not None:
            execution.max_attempts = max_attempts
            await self.flush()

    async def lock(self, id: UUID) -> Execution | None:
        return (
            await self.session.scalars(self.select().where(Execution.id == id).with_for_update())
        ).one_or_none()

    async def attempts(self, execution_id: UUID) -> Sequence[Attempt]:
        query = (
            select(Attempt)
            .where(Attempt.tenant_id == self.tenant_id, Attempt.execution_id == execution_id)
            .order_by(Attempt.number)
        )
        return (await self.session.scalars(query)).all()
