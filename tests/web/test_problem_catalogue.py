"""Claims about what the ``type`` of a problem leads to."""

import pytest
from fastapi import FastAPI

from app.core.errors import AppError, Conflict
from app.web.errors_of_fastapi import install
from app.web.problem import problem
from app.web.problem_catalogue import router
from tests.web.asgi import call

pytestmark = pytest.mark.anyio


class CatalogueEntryTaken(Conflict):
    """Somebody
    else has it."""


@pytest.fixture
def app():
    app = FastAPI()
    install(app)
    app.include_router(router)
    return app


class TestRead:
    async def test_the_type_of_a_problem_resolves(self, app):
        type_ = "/problems/catalogue_entry_taken"
        assert type_.encode() in problem(CatalogueEntryTaken(), "r")[2]
        assert (await call(app, type_)).json == {
            "code": "catalogue_entry_taken",
            "status": 409,
            "title": "Conflict",
            "description": "Somebody else has it.",
        }

    async def test_an_unknown_code_is_not_found(self, app):
        assert (await call(app, "/problems/nope")).status == 404

    async def test_an_overlong_code_is_not_found(self, app):
        assert (await call(app, "/problems/" + "a" * 101)).status == 404


class TestList:
    async def test_names_every_error_once_in_order(self, app):
        listed = (await call(app, "/problems")).json
        codes = [kind["code"] for kind in listed]
        assert {AppError.code, "not_found", "malformed_http", "catalogue_entry_taken"} <= set(codes)
        assert len(codes) == len(set(codes))
        assert [kind["status"] for kind in listed] == sorted(kind["status"] for kind in listed)
        assert all(kind["description"] for kind in listed)
