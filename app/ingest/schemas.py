from typing import Literal, Self
from uuid import UUID

from pydantic import Field

from app.executions.bodies import Body
from app.models import ExecutionStatus, RejectedRequest
from app.signatures.explanation import Explanation
from app.web.schemas import Shown, Timestamp


class RejectedRequestRead(Shown):
    """A webhook that was refused, and why: ``missing_header``, ``mismatch``, ``stale``, …"""

    id: UUID
    handler_id: UUID
    reason: str
    method: str
    query: str
    headers: list[list[str]]
    body: Body
    peer: str | None
    execution_id: UUID | None = Field(description="What it became when it was released.")
    created_at: Timestamp

    @classmethod
    def of(cls, row: RejectedRequest) -> Self:
        fields = {name: getattr(row, name) for name in cls.model_fields if name != "body"}
        return cls(**fields, body=Body.of(row.body))


class ExplanationRead(Shown):
    """What the handler's verification says of a request by now, as of the moment it came."""

    ok: bool
    code: str | None = Field(description="Why it is refused; null for a request that would be accepted.")
    what: str
    read: list[str] = Field(description="Where the scheme looked for a signature.")
    matched: Literal["current", "previous"] | None = Field(description="Which secret made it.")
    age: float | None = Field(description="Seconds since it was signed, negative for the future.")

    @classmethod
    def of(cls, found: Explanation) -> Self:
        """Without the signed message: who may see it reads it in the request."""
        return cls(
            ok=found.ok,
            code=found.code,
            what=found.what,
            read=[*found.read],
            matched=found.matched,
            age=found.age,
        )


class Released(Shown):
    execution_id: UUID
    status: Literal[ExecutionStatus.QUEUED] = ExecutionStatus.QUEUED
