"""Admits a webhook: verified, deduplicated and committed before the answer."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from app.core.errors import AppError, UpstreamFailed
from app.core.strict_json import MalformedJson
from app.db.session import Database
from app.engine.claim import Claim
from app.executions.admission import NewExecution, Received, hold, queue
from app.executions.batcher import AdmissionBatcher
from app.executions.caller import Outcome
from app.executions.executor import Executor
from app.executions.repository import ExecutionRepository
from app.ingest.errors import NotVerified
from app.ingest.handshakes import Handshakes
from app.ingest.inbound import Inbound, PlainInbound, Reply
from app.ingest.metrics import admitted
from app.ingest.prefer import parse
from app.ingest.quarantine import Quarantine
from app.ingest.routes import Route
from app.ingest.verifier import Verifier
from app.limits.limiter import Limiter
from app.models import Attempt, Trigger
from app.signatures.deduplication import dedup_key, delivery_key
from app.signatures.traces import redact_query
from app.signatures.verification import verify
from app.web.errors import MethodNotAllowed

Answer = Callable[[Reply | Exception], None]


class Ingest:
    """What a request of a known route goes through, in this order, each step a class of its own."""

    def __init__(
        self,
        handshakes: Handshakes,
        verifier: Verifier,
        quarantine: Quarantine,
        limiter: Limiter,
        admissions: AdmissionBatcher,
        waiting: "Waiting",
    ) -> None:
        self._handshakes = handshakes
        self._verifier = verifier
        self._quarantine = quarantine
        self._limiter = limiter
        self._admissions = admissions
        self.waiting = waiting

    async def accept(self, route: Route, inbound: Inbound) -> Reply:
        """Raises ``AddressNotAllowed``, ``NotVerified``, ``MethodNotAllowed``, ``MalformedJson``,
        ``RateLimited``, ``QuotaExceeded``, what ``AdmissionBatcher.admit`` raises; and for a sender that
        waits, what the upstream's failure means."""
        route.limits.check_address(inbound.peer)
        if route.asks and (reply := await self._handshakes.reply(route, inbound, is_verified=False)):
            return reply
        reason = await self._verifier.refusal(route, inbound, time.time())
        if reason is not None:
            await self._quarantine.keep(route, inbound, reason)
            raise NotVerified(reason)
        if route.asks and (reply := await self._handshakes.reply(route, inbound, is_verified=True)):
            return reply
        if inbound.method not in route.methods:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(route.methods))})
        return await self.admit(route, inbound)

    async def admit(self, route: Route, inbound: Inbound) -> Reply:
        """Of a verified request: within the limits, once per delivery. Raises ``MalformedJson``."""
        if route.needs_json and inbound.is_broken_json():
            raise MalformedJson
        if not self._limiter.try_take(route.limits):
            await self._limiter.take(route.limits)
        wait_s = _patience(route, inbound.prefer)
        new = _new(route, inbound, is_held=wait_s is not None)
        id = await self._store(route, new)
        if wait_s is None:
            return _acknowledged(route, id)
        if id != new.id:
            return await self.waiting.first_answer(route, id)
        return await self.waiting.answer(route, new.claim, wait_s)

    def try_accept(self, route: Route, inbound: PlainInbound, answer: Answer) -> bool:
        """``accept`` at a plain route, if that waits for nothing but the commit: ``answer`` gets what it
        returns or raises. False, and nothing has happened, if there is more to it."""
        try:
            route.limits.check_address(inbound.peer)
            if not _is_genuine(route, inbound) or self._admissions.is_full_for(len(inbound.body)):
                return False
            if route.needs_json and inbound.is_broken_json():
                return False
            if not self._limiter.try_take(route.limits):
                return False
        except AppError:
            return False
        if route.delivery_headers is None:
            key = dedup_key(route.preset, inbound.signed())
        else:
            key = delivery_key(route.delivery_headers, inbound.fields)
        received = _received(route, inbound, "POST")
        new = queue(route.recipient, Trigger.WEBHOOK, received, key=key, id=inbound.id)

        def told(outcome: UUID | Exception) -> None:
            if isinstance(outcome, Exception):
                route.limits.uncount()
                answer(outcome)
            else:
                _count(route, is_new=outcome == new.id)
                answer(_acknowledged(route, outcome))

        self._admissions.take(new, told)
        return True

    async def admit_later(self, route: Route, inbound: Inbound, key: str) -> UUID:
        """Of a request that nobody waits for any more: the id of its execution. ``key``: what identifies it,
        where it does not say itself."""
        if not self._limiter.try_take(route.limits):
            await self._limiter.take(route.limits)
        new = _new(route, inbound)
        new.key = new.key or key
        return await self._store(route, new)

    async def _store(self, route: Route, new: NewExecution) -> UUID:
        """What is not stored, or was before, does not count for the tenant's quota."""
        try:
            id = await self._admissions.admit(new)
        except BaseException:
            route.limits.uncount()
            raise
        _count(route, is_new=id == new.id)
        return id


class Waiting:
    """For senders that wait for the upstream: this process makes the call and passes the answer on."""

    def __init__(self, database: Database, executor: Executor) -> None:
        self._database = database
        self._executor = executor
        self._running: set[asyncio.Task[Outcome | None]] = set()

    async def drain(self) -> None:
        """Wait for the upstreams that somebody waits for: before the process ends."""
        if self._running:
            await asyncio.wait([*self._running])

    async def answer(self, route: Route, claim: Claim, wait_s: float) -> Reply:
        task = asyncio.create_task(self._executor.run(claim))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if not done:
            async with self._database.transaction(route.tenant_id) as session:
                repository = ExecutionRepository(session, route.tenant_id)
                await repository.let_retry(claim.id, route.recipient.policy.retries + 1)
            return _accepted(claim.id)
        outcome = task.result()
        return _accepted(claim.id) if outcome is None else _answered(claim.id, outcome)

    async def first_answer(self, route: Route, id: UUID) -> Reply:
        """What the first delivery was answered with, as far as its upstream has answered."""
        async with self._database.transaction(route.tenant_id) as session:
            attempt = await ExecutionRepository(session, route.tenant_id).last_answer(id)
        return _accepted(id) if attempt is None else _replayed(id, attempt)


def _count(route: Route, *, is_new: bool) -> None:
    admitted(is_new=is_new)
    if not is_new:
        route.limits.uncount()


def _is_genuine(route: Route, inbound: PlainInbound) -> bool:
    """False leaves it to the verifier, which says why."""
    now = time.time()
    if route.quick is not None:
        return route.quick.accepts(inbound.fields, inbound.body, now)
    return verify(route.preset, inbound.signed(), route.secrets, now).ok


def _new(route: Route, inbound: Inbound, *, is_held: bool = False) -> NewExecution:
    key = dedup_key(route.preset, inbound.signed())
    make = hold if is_held else queue
    return make(route.recipient, Trigger.WEBHOOK, _received(route, inbound, inbound.method), key=key)


def _received(route: Route, inbound: Inbound | PlainInbound, method: str) -> Received:
    return Received(
        method=method,
        query=redact_query(route.preset, inbound.query),
        headers=inbound.kept_headers(route.sensitive),
        body=inbound.body,
        peer=inbound.peer,
        request_id=inbound.request_id,
        trace_parent=inbound.trace_parent,
    )


def _patience(route: Route, prefer: bytes | None) -> float | None:
    """Seconds that the sender is made to wait; None when it gets a 202 at once."""
    if prefer is None and not route.is_sync:
        return None
    preference = parse((prefer or b"").decode("latin-1"))
    timeout_s = route.recipient.policy.timeout_ms / 1000
    if preference.respond_async:
        return None
    if preference.wait_s is not None:
        return min(preference.wait_s, timeout_s + 1)
    return timeout_s + 1 if route.is_sync else None


def _acknowledged(route: Route, id: UUID) -> Reply:
    """As the sender needs to read it; the id is in the headers either way."""
    ack = route.preset.ack
    if ack is None:
        return _accepted(id)
    return Reply(ack.status, ack.text.encode(), {"content-type": "text/plain", "x-execution-id": str(id)})


def _accepted(id: UUID) -> Reply:
    return Reply(202, b'{"executionId":"%b","status":"queued"}' % str(id).encode())


def _answered(id: UUID, outcome: Outcome) -> Reply:
    if outcome.failure is not None:
        outcome.failure.extra["executionId"] = str(id)
        raise outcome.failure
    if outcome.status_code is None:
        return Reply(200, {"executionId": str(id), "status": "succeeded"})
    return _passed_on(id, outcome.status_code, outcome.content_type, outcome.body)


def _replayed(id: UUID, attempt: Attempt) -> Reply:
    status = attempt.status_code or UpstreamFailed.status
    return _passed_on(id, status, attempt.content_type, attempt.response_body or b"")


def _passed_on(id: UUID, status: int, content_type: str, body: bytes) -> Reply:
    headers = {"content-type": content_type, "x-execution-id": str(id), "x-content-type-options": "nosniff"}
    return Reply(status, body, headers)
