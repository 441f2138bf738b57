from typing import Annotated, Literal, Self
from urllib.parse import urlencode
from uuid import UUID

import orjson
from pydantic import Field, JsonValue, StringConstraints

from app.executions.admission import Received
from app.executions.bodies import Body
from app.executions.redaction import Redactor
from app.handlers.fields import HeaderName
from app.models import Attempt, Execution, ExecutionStatus, Trigger
from app.web.schemas import Given, Shown, Timestamp

HeaderText = Annotated[str, StringConstraints(max_length=8192, pattern=r"^[\t\x20-\x7e\x80-\uffff]*$")]
QueryText = Annotated[str, StringConstraints(max_length=8192)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class ExecuteRequest(Given):
    """A call as the webhook would get it."""

    method: Method = "POST"
    body: JsonValue = Field(None, description="Sent as JSON; left out, the query holds the arguments.")
    headers: Annotated[dict[HeaderName, HeaderText], Field(max_length=64)] = Field(default_factory=dict)
    query: Annotated[dict[str, QueryText], Field(max_length=100)] = Field(default_factory=dict)

    def received(self, request_id: str | None, peer: str | None) -> Received:
        headers = Redactor(()).headers([*self.headers.items()])
        has_body = "body" in self.model_fields_set and self.body is not None
        if has_body and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        return Received(
            method=self.method,
            query=urlencode(self.query),
            headers=headers,
            body=orjson.dumps(self.body) if has_body else b"",
            peer=peer,
            request_id=request_id,
        )


class ExecuteResult(Shown):
    """What the upstream answered, also when that is an error: the call itself worked."""

    status_code: int
    body: JsonValue
    timestamp: Timestamp
    execution_id: UUID


class AttemptRead(Shown):
    number: int
    started_at: Timestamp
    duration_ms: int
    method: str | None
    url: str | None
    status_code: int | None
    error: str | None
    response_headers: list[list[str]]
    response_body: Body | None
    response_truncated: bool

    @classmethod
    def of(cls, row: Attempt) -> Self:
        return cls(
            number=row.number,
            started_at=row.started_at,
            duration_ms=row.duration_ms,
            method=row.request_method,
            url=row.request_url,
            status_code=row.status_code,
            error=row.error,
            response_headers=row.response_headers,
            response_body=None if row.response_body is None else Body.of(row.response_body),
            response_truncated=row.response_truncated,
        )


class RequestRead(Shown):
    method: str
    query: str
    headers: list[list[str]]
    body: Body
    peer: str | None


class ResponseRead(Shown):
    """The last answer of the upstream."""

    status_code: int
    headers: list[list[str]]
    body: Body | None


class ExecutionSummary(Shown):
    id: UUID
    integration_id: UUID
    handler_id: UUID
    trigger: Trigger
    status: ExecutionStatus
    status_reason: str | None
    replay_of: UUID | None
    attempt_count: int
    max_attempts: int
    created_at: Timestamp
    finished_at: Timestamp | None


class ExecutionRead(ExecutionSummary):
    next_attempt_at: Timestamp | None
    request: RequestRead
    response: ResponseRead | None
    attempts: list[AttemptRead]

    @classmethod
    def of(cls, row: Execution, attempts: list[AttemptRead]) -> Self:
        summary = ExecutionSummary.model_validate(row)
        answered = next((attempt for attempt in reversed(attempts) if attempt.status_code is not None), None)
        return cls(
            **dict(summary),
            next_attempt_at=row.due_at if row.status == ExecutionStatus.QUEUED else None,
            request=RequestRead(
                method=row.method,
                query=row.query,
                headers=row.headers,
                body=Body.of(row.body),
                peer=row.peer,
            ),
            response=None
            if answered is None or answered.status_code is None
            else ResponseRead(
                status_code=answered.status_code,
                headers=answered.response_headers,
                body=answered.response_body,
            ),
            attempts=attempts,
        )
