"""What was refused, kept 72 hours: shown with its reason, and released once the configuration is right.

What a list shows is redacted. Beside it, sealed, lies what verifying it again takes: the headers that were
redacted, and the address. Strangers can send any number of requests, so only some are kept.
"""

import time
from collections import OrderedDict
from typing import Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AppError
from app.core.ids import new_id
from app.core.secret import Secret
from app.db.session import Database
from app.ingest.errors import NotReleasable
from app.ingest.inbound import Inbound
from app.ingest.repository import RejectionRepository
from app.ingest.routes import Route
from app.models import RejectedRequest
from app.sealing.service import KeyCache, Sealer
from app.signatures.traces import redact_query
from app.signatures.verdict import Reason

MAX_KEPT_BODY: Final = 256 * 1024
"""Bytes of a body that are kept; a larger one is cut and cannot be released."""
MAX_KEPT_PER_MINUTE: Final = 60
"""Refused requests of one handler that are kept, in one process."""
MAX_COUNTED: Final = 10_000
"""Handlers whose refusals are counted at a time."""

TABLE: Final = RejectedRequest.__tablename__

_log = structlog.get_logger(__name__)


class Quarantine:
    def __init__(self, database: Database, keys: KeyCache) -> None:
        self._database = database
        self._keys = keys
        self._budget = RejectionBudget()

    async def keep(self, route: Route, inbound: Inbound, reason: Reason) -> None:
        """Never raises for a database that is away: the refusal stands, recorded or not."""
        _log.info(
            "webhook.refused",
            handler_id=str(route.handler_id),
            reason=reason,
            request_id=inbound.request_id,
        )
        if not self._budget.take(route.handler_id):
            return
        try:
            async with self._database.transaction(route.tenant_id) as session:
                row = await self._row(session, route, inbound, reason)
                await RejectionRepository(session, route.tenant_id).add(row)
        except (SQLAlchemyError, AppError) as error:
            _log.warning("webhook.refusal_not_kept", error=type(error).__name__)

    async def _row(
        self, session: AsyncSession, route: Route, inbound: Inbound, reason: Reason
    ) -> RejectedRequest:
        id = new_id()
        secret = Secret(_dumped(inbound, route.sensitive))
        return RejectedRequest(
            id=id,
            handler_id=route.handler_id,
            reason=reason,
            method=inbound.method,
            query=redact_query(route.preset, inbound.query),
            headers=[list(header) for header in inbound.kept_headers(route.sensitive)],
            body=inbound.body[:MAX_KEPT_BODY],
            is_whole=len(inbound.body) <= MAX_KEPT_BODY,
            peer=inbound.peer,
            sealed=await Sealer(session, route.tenant_id, self._keys).seal(secret, TABLE, id),
        )


async def restore(row: RejectedRequest, sealer: Sealer) -> Inbound:
    """The request as it came. Raises ``NotReleasable`` and ``KeyUnavailable``."""
    if row.sealed is None or not row.is_whole:
        raise NotReleasable
    kept = orjson.loads((await sealer.open(row.sealed, TABLE, row.id)).reveal())
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row.headers]
    for position, value in kept["headers"]:
        headers[position] = (headers[position][0], value.encode("latin-1"))
    return Inbound(
        method=row.method,
        url=kept["url"],
        query=kept["query"],
        headers=headers,
        body=row.body,
        peer=row.peer,
        token=kept["token"],
    )


def _dumped(inbound: Inbound, sensitive: frozenset[str]) -> str:
    """What is not shown: the values of sensitive headers by their position, the address, the token."""
    hidden = [
        (position, value.decode("latin-1"))
        for position, (name, value) in enumerate(inbound.headers)
        if name.decode("latin-1") in sensitive
    ]
    kept = {"headers": hidden, "url": inbound.url, "query": inbound.query, "token": inbound.token}
    return orjson.dumps(kept).decode()


class RejectionBudget:
    """How many refused requests of a handler are kept per minute, in this process."""

    def __init__(self) -> None:
        self._counts: OrderedDict[UUID, tuple[int, int]] = OrderedDict()

    def take(self, handler_id: UUID) -> bool:
        minute = int(time.monotonic() // 60)
        since, count = self._counts.get(handler_id, (minute, 0))
        count = count + 1 if since == minute else 1
        self._counts[handler_id] = (minute, count)
        self._counts.move_to_end(handler_id)
        while len(self._counts) > MAX_COUNTED:
            self._counts.popitem(last=False)
        return count <= MAX_KEPT_PER_MINUTE
