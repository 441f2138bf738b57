"""``jackfield tenants``."""

from typing import Annotated

from typer import Argument, Option, Typer

from app.auth.context import Origin
from app.cli.options import Data
from app.cli.output import out, show_table
from app.cli.session import operator, with_resources
from app.core import clock
from app.db.precondition import Precondition
from app.models import Tenant, TenantStatus
from app.services import Resources
from app.tenants.schemas import TenantCreate, TenantUpdate
from app.tenants.service import TenantService

commands = Typer(help="Make, list, suspend and activate tenants.", no_args_is_help=True, add_completion=False)

Slug = Annotated[str, Argument(help="The tenant's short name: a-z, 0-9 and -.")]


@commands.command()
def create(
    slug: Slug, name: Annotated[str | None, Option(help="Shown to people.")] = None, data: Data = None
) -> None:
    """Make a tenant."""

    async def work(resources: Resources) -> Tenant:
        return await _service(resources).create(TenantCreate(slug=slug, name=name))

    tenant = with_resources(data, work)
    out.print(f"Tenant {tenant.slug} made: {tenant.id}", markup=False)


@commands.command("list")
def show(data: Data = None) -> None:
    """List all tenants."""

    async def work(resources: Resources) -> list[Tenant]:
        return list(await _service(resources).list())

    show_table(
        ("slug", "name", "status", "id", "made at"),
        (
            (tenant.slug, tenant.name, tenant.status, str(tenant.id), clock.to_wire(tenant.created_at))
            for tenant in with_resources(data, work)
        ),
    )


@commands.command()
def suspend(slug: Slug, data: Data = None) -> None:
    """Refuse a tenant's tokens and webhooks from now on."""
    _set_status(slug, TenantStatus.SUSPENDED, data)


@commands.command()
def activate(slug: Slug, data: Data = None) -> None:
    """Accept a suspended tenant's tokens and webhooks again."""
    _set_status(slug, TenantStatus.ACTIVE, data)


def _set_status(slug: str, status: TenantStatus, data: Data) -> None:
    async def work(resources: Resources) -> Tenant:
        service = _service(resources)
        tenant = await service.get_by_slug(slug)
        return await service.update(tenant.id, TenantUpdate(status=status), Precondition())

    tenant = with_resources(data, work)
    out.print(f"Tenant {tenant.slug} is {tenant.status}.", markup=False)


def _service(resources: Resources) -> TenantService:
    return TenantService(resources.database, resources.keys, operator(), Origin())
