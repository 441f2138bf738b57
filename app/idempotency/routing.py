"""``Idempotency-Key`` on every POST of a router, as a route class: no endpoint can forget it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from app.auth.context import Context
from app.auth.dependencies import CurrentContext, Sealing, Session
from app.idempotency.errors import IdempotencyKeyNotValid
from app.idempotency.repository import IdempotencyRepository
from app.idempotency.service import Answer, Attempted, IdempotencyService, fingerprint
from app.web.routing import Handle, Route

MAX_KEY = 255
KeyHeader = Annotated[str | None, Header(alias="Idempotency-Key", max_length=4 * MAX_KEY)]


class Replayed(Exception):
    """The request was answered before: ends it with the first answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def get_key(idempotency_key: KeyHeader = None) -> str | None:
    """Raises ``IdempotencyKeyNotValid``."""
    if idempotency_key is None:
        return None
    if not (
        1 <= len(idempotency_key) <= MAX_KEY and idempotency_key.isascii() and idempotency_key.isprintable()
    ):
        raise IdempotencyKeyNotValid
    return idempotency_key


Key = Annotated[str | None, Depends(get_key)]
"""For a POST that waits for an upstream, and so cannot leave the key to an ``IdempotentRoute``."""


async def begin(
    request: Request,
    session: Session,
    context: CurrentContext,
    sealer: Sealing,
    key: Key,
) -> None:
    """Ends a repeated request with ``Replayed``; else notes on the request that its answer is to be kept."""
    if key is None:
        return
    service = IdempotencyService(IdempotencyRepository(session, context.tenant_id), sealer)
    attempted = Attempted(key, request.method, request.url.path, await _fingerprint(request, context))
    answer = await service.recall(attempted)
    if answer is not None:
        raise Replayed(answer)
    request.state.idempotent = (service, attempted)


class IdempotentRoute(Route):
    """A ``Route`` whose POSTs honour ``Idempotency-Key``.

    The answer is kept after it is rendered and before the request's transaction commits: FastAPI runs the
    handler that this class wraps inside the stack that holds function-scoped dependencies.
    """

    def __init__(self, path: str, endpoint: Callable[..., object], **options: object) -> None:
        methods = options.get("methods") or ()
        if isinstance(methods, set | list | tuple) and "POST" in methods:
            dependencies = options.get("dependencies") or ()
            options["dependencies"] = [*dependencies, Depends(begin)]  # type: ignore[misc]
        super().__init__(path, endpoint, **options)  # type: ignore[arg-type]

    def get_route_handler(self) -> Handle:  # type: ignore[override]  # FastAPI says Coroutine
        handle = super().get_route_handler()

        async def keep_answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except Replayed as replayed:
                answer = replayed.answer
                headers = {**answer.headers, "Idempotent-Replayed": "true"}
                return Response(answer.body, answer.status, headers)
            if pending := getattr(request.state, "idempotent", None):
                service, attempted = pending
                headers = {name.lower(): value for name, value in response.headers.items()}
                await service.remember(attempted, Answer(response.status_code, headers, bytes(response.body)))
            return response

        return keep_answer


async def _fingerprint(request: Request, context: Context) -> bytes:
    """Of query, body and rights: who may do less must not be handed the answer of who may do more."""
    rights = f"{context.integration_id} {' '.join(sorted(context.scopes))}"
    query = request.url.query
    return fingerprint(request.app.state.pepper, query.encode(), rights.encode(), await request.body())
