"""``jackfield tokens``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from typer import Argument, Option, Typer

from app.access_tokens.repository import AccessTokenRepository
from app.access_tokens.schemas import AccessTokenCreate
from app.access_tokens.service import AccessTokenService
from app.audit.recorder import AuditRecorder
from app.auth.context import Context, Origin
from app.cli.options import Data, Tenant
from app.cli.output import out, show_table
from app.cli.session import operator, with_resources
from app.core import clock
from app.core.ids import TenantId
from app.core.pagination import Order, PageRequest
from app.core.secret import Secret
from app.events.publisher import EventPublisher
from app.models import AccessToken
from app.services import Resources
from app.tenants.service import TenantService

commands = Typer(
    help="Make, list and revoke access tokens of a tenant.", no_args_is_help=True, add_completion=False
)

PAGE_SIZE = 200
EVERYTHING = {"*"}
"""What whoever can open the database may hand out."""


@commands.command()
def create(
    *,
    tenant: Tenant,
    name: Annotated[str, Option(help="What the token is for.")],
    scope: Annotated[list[str], Option(help="Such as integrations:read, secrets:* or *; repeatable.")],
    expires_in_days: Annotated[int, Option(min=1, max=366, help="Days until it expires.")] = 90,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the token and nothing else.")] = False,
    data: Data = None,
) -> None:
    """Make an access token. It is shown this once."""
    expires_at = clock.now() + timedelta(days=expires_in_days)
    given = AccessTokenCreate.model_validate({"name": name, "scopes": scope, "expiresAt": expires_at})

    async def work(resources: Resources) -> tuple[AccessToken, Secret]:
        async with _service(resources, tenant) as service:
            return await service.create(given, EVERYTHING)

    row, token = with_resources(data, work)
    out.print(token.reveal(), markup=False)
    if not quiet:
        out.print(
            f"This is the token {row.name} of {tenant}; it is not shown again. "
            f"It expires at {clock.to_wire(row.expires_at)}; its id is {row.id}.",
            markup=False,
        )


@commands.command("list")
def show(*, tenant: Tenant, data: Data = None) -> None:
    """List a tenant's tokens that are not revoked, without the tokens themselves."""

    async def work(resources: Resources) -> list[AccessToken]:
        async with _service(resources, tenant) as service:
            return [token async for token in _all(service)]

    show_table(
        ("id", "name", "prefix", "scopes", "expires at", "last used at"),
        (
            (
                str(token.id),
                token.name,
                token.prefix,
                " ".join(token.scopes),
                clock.to_wire(token.expires_at),
                clock.to_wire(token.last_used_at) if token.last_used_at else "never",
            )
            for token in with_resources(data, work)
        ),
    )


@commands.command()
def revoke(
    id: Annotated[UUID, Argument(help="As `list` shows it.")], *, tenant: Tenant, data: Data = None
) -> None:
    """Refuse a token from now on."""

    async def work(resources: Resources) -> None:
        async with _service(resources, tenant) as service:
            await service.revoke(id)

    with_resources(data, work)
    out.print(f"Token {id} is revoked.", markup=False)


@asynccontextmanager
async def _service(resources: Resources, slug: str) -> AsyncIterator[AccessTokenService]:
    """The service for one transaction of that tenant. Raises ``NotFound``."""
    actor = operator()
    tenants = TenantService(resources.database, resources.keys, actor, Origin())
    tenant = await tenants.get_by_slug(slug)
    context = Context(TenantId(tenant.id), tenant.slug, actor)
    async with resources.database.transaction(context.tenant_id) as session:
        yield AccessTokenService(
            AccessTokenRepository(session, context.tenant_id),
            AuditRecorder(session, context),
            EventPublisher(session, context),
            resources.system.pepper,
        )


async def _all(service: AccessTokenService) -> AsyncIterator[AccessToken]:
    request = PageRequest(PAGE_SIZE, Order("created_at"))
    while True:
        page = await service.page(request)
        for token in page.rows:
            yield token
        if page.last is None:
            return
        request = PageRequest(PAGE_SIZE, request.order, page.last)
