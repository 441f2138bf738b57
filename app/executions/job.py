"""Everything that one attempt needs, made of a claimed row and its handler's plan. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

import orjson

from app.core.errors import AppError
from app.executions.errors import ExecutionInterrupted
from app.executions.outgoing import Invocation, Values
from app.executions.plans import Plan
from app.executions.redaction import Redactors
from app.executions.repository import Claimed
from app.executions.rules import Rules
from app.handlers.arguments import Policy
from app.handlers.targets import StoreTarget, Target, is_json

MAX_INTERRUPTIONS: Final = 5
"""Claims without a finished attempt after which an execution is believed to kill its workers."""

_NOTHING: Final = Values()
_DEFAULTS: Final = Policy()
_NO_REDACTORS: Final = Redactors()
_NOWHERE: Final = StoreTarget(kind="store")


# Not frozen, as little of what every execution makes is: that would cost three times as much.
@dataclass(slots=True, kw_only=True)
class Job:
    """``failure``: why the upstream cannot even be asked; then there is no target worth the name."""

    row: Claimed
    target: Target = _NOWHERE
    policy: Policy = _DEFAULTS
    invocation: Invocation | None = field(default=None, repr=False)
    values: Values = field(default=_NOTHING, repr=False)
    redactors: Redactors = _NO_REDACTORS
    rules: Rules | None = None
    failure: AppError | None = None


def is_deadly(row: Claimed) -> bool:
    """Whether its workers ended before it did, more often than chance explains."""
    return row.fence > row.max_attempts + MAX_INTERRUPTIONS


def deadly(row: Claimed) -> Job:
    return Job(row=row, failure=ExecutionInterrupted())


def job_of(row: Claimed, plan: Plan) -> Job:
    return Job(
        row=row,
        target=plan.target,
        policy=plan.policy,
        invocation=_invocation(row, plan),
        values=plan.values,
        redactors=plan.redactors,
        rules=plan.rules,
    )


def read_args(body: bytes, content_type: str | None, query: str) -> Mapping[str, object] | None:
    """The caller's arguments: its JSON object, or its query when it sent no body; None for any other body."""
    if not body:
        return dict(parse_qsl(query, keep_blank_values=True))
    if content_type is not None and not is_json(content_type):
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _invocation(row: Claimed, plan: Plan) -> Invocation:
    content_type = next((value for name, value in row.headers if name.lower() == "content-type"), None)
    return Invocation(
        idempotency_key=str(row.id),
        base_url=plan.base_url,
        default_args=plan.default_args,
        args=read_args(row.body, content_type, row.query),
        body=row.body,
        content_type=content_type,
    )
