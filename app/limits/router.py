from fastapi import Request

from app.auth.dependencies import CurrentContext, Session, requires
from app.auth.scopes import Scope
from app.core import clock
from app.limits.rates import limits_of_tenant, quota_of_tenant
from app.limits.repository import UsageRepository
from app.limits.schemas import UsageRead
from app.models import Metric, UsageCounter
from app.tenants.repository import TenantDirectory
from app.web.routing import Router

router = Router(tags=["usage"])


@router.get("/usage", dependencies=[requires(Scope.USAGE_READ)])
async def list_usage(request: Request, session: Session, context: CurrentContext) -> list[UsageRead]:
    """What the tenant has used up in the current period, and of how much."""
    today = clock.now().date()
    tenant = await TenantDirectory(session).get(context.tenant_id)
    found = await UsageRepository(session, context.tenant_id).find(Metric.EXECUTIONS, today)
    row = found or UsageCounter(metric=Metric.EXECUTIONS, day=today, used=0)
    return [UsageRead.of(row, quota_of_tenant(limits_of_tenant(tenant.limits), request.app.state.settings))]
