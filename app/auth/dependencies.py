"""What endpoints ask for: who calls, whether they may, and the one transaction of the request."""

import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request, params
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.authenticator import Authenticator
from app.auth.context import Actor, Context, Origin
from app.auth.errors import OperatorsOnly, TokenBoundElsewhere
from app.auth.repository import find_tenant
from app.auth.scopes import OPERATOR_SCOPE, Scope
from app.core.errors import NotFound, Unauthenticated
from app.core.ids import TenantId
from app.db.session import Database
from app.sealing.service import KeyCache, Sealer

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="accessToken",
    description="An access token (`jf_svc_…`) or the operator token.",
)
_documented = Annotated[object, Depends(_bearer)]
"""For the OpenAPI document: an operation asks for the token where it declares who may call it."""


def get_database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Transactions = Annotated[Database, Depends(get_database)]
"""For those who talk to an upstream between two short transactions."""


def origin_of(request: Request) -> Origin:
    return Origin(
        request_id=request.scope.get("state", {}).get("request_id"),
        ip=request.client.host if request.client else None,
        user_agent=(request.headers.get("user-agent") or "")[:512] or None,
    )


async def get_context(request: Request) -> Context:
    """Who calls. Raises ``Unauthenticated``, ``TenantSuspended``; for a bound token also ``NotFound``.

    The operator calls for the tenant that the path names as ``tenant_id``, and where none is named, for none.
    """
    token = await _token(request)
    if token is None:
        raise Unauthenticated(headers={"WWW-Authenticate": 'Bearer realm="jackfield"'})
    named = request.path_params.get("tenant_id")
    if named is not None and _is_operators(token, request):
        context = await _of_operator(request, named)
    else:
        authenticator: Authenticator = request.app.state.authenticator
        context = await authenticator.authenticate(token)
    context = replace(context, origin=origin_of(request))
    request.state.context = context
    _keep_to_integration(request, context)
    return context


CurrentContext = Annotated[Context, Depends(get_context)]


async def get_session(request: Request, context: CurrentContext) -> AsyncIterator[AsyncSession]:
    async with get_database(request).transaction(context.tenant_id) as session:
        request.state.session = session
        yield session


# "function": commit before the response is sent, so that a failed commit is an error response
# and a 201 can be read back. FastAPI's default scope commits after the client has its answer.
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def forget_tokens(request: Request) -> AsyncIterator[None]:
    yield
    authenticator: Authenticator = request.app.state.authenticator
    authenticator.forget()


ends_tokens = params.Depends(forget_tokens, scope="function")
"""For ``dependencies`` of a route that ends the validity of tokens: this process knows it from the answer on.

A route's own dependencies are entered before its parameters and left after them, so after the commit."""


def get_key_cache(request: Request) -> KeyCache:
    cache: KeyCache = request.app.state.key_cache
    return cache


Keys = Annotated[KeyCache, Depends(get_key_cache)]


def get_sealer(request: Request, session: Session, context: CurrentContext) -> Sealer:
    return Sealer(session, context.tenant_id, get_key_cache(request))


Sealing = Annotated[Sealer, Depends(get_sealer)]


class Requires:
    """Declares, and checks, the scope of a route."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, context: CurrentContext, _: _documented) -> None:
        context.require(self.scope)


def requires(scope: Scope) -> params.Depends:
    """For ``dependencies=[requires(Scope.X)]`` of a route."""
    return params.Depends(Requires(scope))


class Operator:
    """Declares a route that only the operator token opens."""

    scope = OPERATOR_SCOPE

    async def __call__(self, request: Request, _: _documented) -> Origin:
        """Raises ``Unauthenticated`` for anything but a token we know, ``OperatorsOnly`` for a tenant's."""
        if _is_operators(await _token(request), request):
            return origin_of(request)
        await get_context(request)
        raise OperatorsOnly


operator = Operator()
OperatorOrigin = Annotated[Origin, Depends(operator)]
OPERATOR = Actor("operator", "operator", "operator")
OPERATOR_HOLDS = frozenset({"*"})
"""What the operator may grant a tenant's token: whatever a tenant can hold."""


async def open_to_everybody() -> None:
    """Declares a route without authentication: health, metrics, documentation."""


public = params.Depends(open_to_everybody)


async def _token(request: Request) -> str | None:
    bearer = await _bearer(request)
    return bearer.credentials if bearer else None


def _is_operators(token: str | None, request: Request) -> bool:
    expected = request.app.state.operator_token
    given = (token or "").encode()
    return bool(expected) and hmac.compare_digest(given, expected.get_secret_value().encode())


async def _of_operator(request: Request, tenant_id: str) -> Context:
    """Raises ``NotFound`` for a tenant that is not there."""
    async with get_database(request).transaction(None) as session:
        tenant = await find_tenant(session, tenant_id)
    if tenant is None:
        raise NotFound
    return Context(TenantId(tenant.id), tenant.slug, OPERATOR, OPERATOR_HOLDS)


def _keep_to_integration(request: Request, context: Context) -> None:
    if context.integration_id is None:
        return
    named = request.path_params.get("integration_id")
    if named is None:
        raise TokenBoundElsewhere
    if str(named).lower() != str(context.integration_id):
        raise NotFound
