"""Composition root of the API: its routes, over the services that are there before it."""

from fastapi import APIRouter, FastAPI

from app.access_tokens.router import router as access_tokens
from app.audit.denials import record_denial
from app.audit.router import router as audit
from app.auth.dependencies import public
from app.auth.route_check import check_every_route_declares_a_scope
from app.connectors.router import router as connectors
from app.core.errors import Forbidden
from app.core.pagination import CursorSigner
from app.credentials.router import router as credentials
from app.executions.manual_router import router as manual_executions
from app.executions.router import router as executions
from app.handlers.router import router as handlers
from app.ingest.document import paths as webhook_paths
from app.ingest.router import router as ingest
from app.integrations.router import router as integrations
from app.limits.router import router as usage
from app.oauth_clients.router import router as oauth_clients
from app.openapi_sync.router import router as openapi_sync
from app.replays.router import router as replays
from app.secrets.router import router as secrets
from app.services import Services
from app.sync_schedules.router import router as sync_schedules
from app.tenants.router import router as tenants
from app.tools.router import router as tools
from app.web.docs import install_docs
from app.web.errors_of_fastapi import install
from app.web.health_router import router as health
from app.web.methods import install_allow
from app.web.openapi import complete, operation_id
from app.web.problem_catalogue import router as problems

API = (
    tenants,
    access_tokens,
    integrations,
    credentials,
    secrets,
    handlers,
    openapi_sync,
    sync_schedules,
    tools,
    connectors,
    oauth_clients,
    manual_executions,
    replays,  # before `executions`, whose `/executions/{execution_id}` would take its addresses
    executions,
    ingest,
    usage,
    audit,
)
OPEN = (health, problems)

DESCRIPTION = """Integrations, credentials, sealed secrets, handlers and webhooks of many tenants.

Errors are problem documents (RFC 9457); `type` leads to what a `code` means."""

TAGS = {
    "tenants": "For operators: who lives here.",
    "access tokens": "What callers of this API hold.",
    "integrations": "Outside systems that a tenant deals with.",
    "credentials": "Values that may be read again, on the record.",
    "secrets": "Values that nobody reads again.",
    "handlers": "What happens when a webhook address is called.",
    "sync": "Handlers from OpenAPI documents.",
    "tools": "Handlers as agents see them.",
    "connectors": "How providers want to be dealt with.",
    "executions": "Calls of handlers, and what became of them.",
    "webhooks": "Where outside systems call.",
    "usage": "What is used up of what a tenant may use.",
    "audit log": "Who did what.",
    "health": "For orchestrators and monitoring.",
    "problems": "What the `type` of an error leads to.",
}


def create_app(services: Services) -> FastAPI:
    """The API over ``services``. Raises ``Misconfigured`` when a route does not say who may call it."""
    return furnish(create_routes(), services)


def furnish(app: FastAPI, services: Services) -> FastAPI:
    """Put ``services`` behind the routes."""
    resources = services.resources
    app.state.settings = resources.settings
    app.state.database = resources.database
    app.state.key_cache = resources.keys
    app.state.fetch = resources.fetch
    app.state.library = resources.library
    app.state.pepper = resources.system.pepper
    app.state.cursors = CursorSigner(resources.system.cursors)
    app.state.operator_token = resources.settings.operator_token
    app.state.authenticator = services.authenticator
    app.state.executor = services.executor
    app.state.routes = services.routes
    app.state.verifier = services.verifier
    app.state.ingest = services.ingest
    return app


def create_routes() -> FastAPI:
    """Routes without anything behind them: what the OpenAPI document is made from."""
    app = FastAPI(
        title="Jackfield",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # the redirect would name our own scheme and host, whatever the proxy's are
    )
    app.router.routes += [route for router in API for route in router.routes]
    for router in OPEN:
        app.include_router(router, dependencies=[public])
    app.include_router(_openapi_document(app), dependencies=[public])
    install_docs(app, [public])
    install(app)
    install_allow(app)
    app.add_exception_handler(Forbidden, record_denial)
    check_every_route_declares_a_scope(app.routes)
    return app


def _openapi_document(app: FastAPI) -> APIRouter:
    router = APIRouter(tags=["documentation"])

    @router.get("/openapi.json", include_in_schema=False)
    async def read_openapi() -> dict[str, object]:
        return describe(app)

    return router


def describe(app: FastAPI) -> dict[str, object]:
    """The OpenAPI document: FastAPI's, and the webhook addresses that are answered beside it."""
    document = app.openapi()
    return complete({**document, "paths": {**document["paths"], **webhook_paths()}})
