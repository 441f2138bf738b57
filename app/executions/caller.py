"""One attempt: build the request, send it through the guarded client, judge the answer. Holds no session."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.core import clock
from app.core.egress.calls import Answer, Call, CallClient
from app.core.errors import AppError, Unavailable
from app.executions import retry
from app.executions.job import Job
from app.executions.outgoing import OutgoingRequest
from app.executions.redaction import Redactor
from app.executions.request import build
from app.handlers.errors import CapabilityNotInstalled
from app.handlers.targets import CapabilityTarget, StoreTarget

MAX_RESPONSE_BYTES: Final = 5 * 1024 * 1024
MOST_FAULTS: Final = 5
"""Of all that is wrong with the arguments, told in the one line that is kept of an attempt."""
_SUCCESS: Final = range(200, 300)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of one attempt, with secrets redacted. ``failure`` is set when no answer came."""

    started_at: datetime
    duration_ms: int
    method: str | None = None
    url: str | None = None
    status_code: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = field(default=b"", repr=False)
    is_truncated: bool = False
    failure: AppError | None = None
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.failure is None and (self.status_code is None or self.status_code in _SUCCESS)

    @property
    def is_retryable(self) -> bool:
        if isinstance(self.failure, Unavailable):
            return True
        cause = self.failure or self.status_code
        return cause is not None and retry.is_retryable(cause)

    @property
    def error(self) -> str | None:
        """One line for people; None for a success."""
        if self.failure is not None:
            faults = (f" {fault.pointer}: {fault.message}" for fault in self.failure.errors[:MOST_FAULTS])
            return f"{self.failure.code}: {self.failure.detail}{''.join(faults)}"
        return None if self.is_success else f"The upstream answered {self.status_code}."

    @property
    def content_type(self) -> str:
        found = (value for name, value in self.headers if name.lower() == "content-type")
        return next(found, "application/octet-stream")


async def perform(job: Job, calls: CallClient, trace: Sequence[tuple[str, str]] = ()) -> Outcome:
    """Call the upstream once. Never raises for what a target, an argument or an upstream can do wrong.

    ``trace``: headers that name the trace; a handler that sets its own is left alone.
    """
    started_at, started = clock.now(), time.monotonic()
    if job.failure is not None or job.invocation is None:
        return Outcome(started_at=started_at, duration_ms=0, failure=job.failure)
    if isinstance(job.target, StoreTarget):
        return Outcome(started_at=started_at, duration_ms=0)
    if isinstance(job.target, CapabilityTarget):
        return Outcome(started_at=started_at, duration_ms=0, failure=CapabilityNotInstalled())
    try:
        check = None if job.rules is None else await job.rules.check()
        request = build(job.target, job.invocation, job.values, check)
    except AppError as failure:
        return Outcome(started_at=started_at, duration_ms=_since(started), failure=failure)
    redactor = job.redactors.of(request.secrets_used)
    try:
        answer = await calls.call(_call(request, trace, job.policy.timeout_ms))
    except AppError as failure:
        return Outcome(
            started_at=started_at,
            duration_ms=_since(started),
            method=request.method,
            url=_shown(request.url, redactor),
            failure=failure,
        )
    return _answered(started_at, request, answer, redactor)


def _call(request: OutgoingRequest, trace: Sequence[tuple[str, str]], timeout_ms: int) -> Call:
    return Call(
        method=request.method,
        url=request.url,
        headers=_traced(request.headers, trace),
        body=request.body,
        timeout_ms=timeout_ms,
        max_response_bytes=MAX_RESPONSE_BYTES,
    )


def _traced(
    headers: Sequence[tuple[str, str]], trace: Sequence[tuple[str, str]]
) -> Sequence[tuple[str, str]]:
    if not trace:
        return headers
    names = {name for name, _ in trace}
    if any(name.lower() in names for name, _ in headers):
        return headers
    return (*headers, *trace)


def _answered(started_at: datetime, request: OutgoingRequest, answer: Answer, redactor: Redactor) -> Outcome:
    wanted = next((value for name, value in answer.headers if name.lower() == "retry-after"), None)
    return Outcome(
        started_at=started_at,
        duration_ms=round(answer.duration_ms),
        method=request.method,
        url=_shown(request.url, redactor),
        status_code=answer.status,
        headers=redactor.headers(answer.headers),
        body=redactor.body(answer.body),
        is_truncated=answer.truncated,
        retry_after=None if wanted is None else retry.parse_retry_after(wanted, time.time()),
    )


def _shown(url: str, redactor: Redactor) -> str:
    """The address without its query: that is where a provider's key hides when no template put it there."""
    return redactor.text(url.partition("?")[0].partition("#")[0])


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
