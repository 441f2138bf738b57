import pytest
from fastapi import APIRouter, Depends, FastAPI

from app.auth.dependencies import operator, public, requires
from app.auth.route_check import check_every_route_declares_a_scope
from app.auth.scopes import Scope
from app.core.boot import Misconfigured
from app.main import create_routes


def app_of(*dependencies, on_router=()):
    app = FastAPI(openapi_url=None)
    router = APIRouter(prefix="/things", dependencies=[*on_router])

    @router.get("/{id}", dependencies=[*dependencies])
    async def get_thing(id: str) -> str:
        return id

    app.include_router(router)
    return app


class TestCheck:
    @pytest.mark.parametrize("declared", [requires(Scope.AUDIT_READ), Depends(operator), public])
    def test_lets_pass_what_says_who_may_call_it(self, declared):
        check_every_route_declares_a_scope(app_of(declared).routes)
        check_every_route_declares_a_scope(app_of(on_router=[declared]).routes)

    def test_names_the_route_that_does_not(self):
        with pytest.raises(Misconfigured, match=r"^GET /things/\{id\} declares no scope\.$"):
            check_every_route_declares_a_scope(app_of().routes)

    def test_does_not_mistake_another_dependency_for_a_scope(self):
        with pytest.raises(Misconfigured):
            check_every_route_declares_a_scope(app_of(Depends(lambda: None)).routes)

    def test_finds_one_among_many(self):
        app = app_of(public)

        @app.post("/forgotten")
        async def forget() -> None: ...

        with pytest.raises(Misconfigured, match="POST /forgotten"):
            check_every_route_declares_a_scope(app.routes)

    def test_passes_our_own_routes(self):
        check_every_route_declares_a_scope(create_routes().routes)
