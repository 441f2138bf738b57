"""Claims about the name of a request and its one line in the log."""

import pytest
import structlog
from fastapi import APIRouter, FastAPI
from structlog.testing import capture_logs

from app.core.errors import NotFound
from app.web.errors_of_fastapi import install
from app.web.problem import CatchAll
from app.web.request_id import RequestId
from tests.web.asgi import Exchange, call, echo, http_scope

pytestmark = pytest.mark.anyio

HEADER = "x-request-id"


class TestName:
    @pytest.mark.parametrize("given", ["a", "01a2-b3_c4.D5", "x" * 128])
    async def test_that_is_well_formed_is_kept(self, given):
        answer = await call(RequestId(echo), headers=[("X-Request-Id", given)])
        assert answer.headers[HEADER] == given

    @pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\n", "é", "a\tb", "<script>"])
    async def test_that_is_malformed_is_replaced(self, given):
        scope = http_scope(headers=[])
        scope["headers"] = [(HEADER.encode(), given.encode())]
        answer = await Exchange(scope).run(RequestId(echo))
        assert answer.headers[HEADER] != given
        assert answer.headers[HEADER][14] == "7"  # the version of a UUID

    async def test_that_is_given_twice_is_replaced(self):
        answer = await call(RequestId(echo), headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
        assert answer.headers[HEADER] not in {"a", "b"}

    async def test_two_requests_have_two(self):
        first, second = [await call(RequestId(echo)) for _ in range(2)]
        assert first.headers[HEADER] != second.headers[HEADER]

    async def test_the_application_finds_it_in_the_state_of_the_scope(self):
        scope = http_scope(headers=[("X-Request-Id", "mine")])
        del scope["state"]
        await Exchange(scope).run(RequestId(echo))
        assert scope["state"]["request_id"] == "mine"

    async def test_a_problem_carries_it(self):
        async def missing(_scope, _receive, _send):
            raise NotFound

        answer = await call(RequestId(CatchAll(missing)), headers=[("X-Request-Id", "mine")])
        assert (answer.headers[HEADER], answer.json["requestId"]) == ("mine", "mine")


class TestContext:
    async def test_every_log_line_of_a_request_can_name_it(self):
        bound = {}

        async def app(scope, receive, send):
            structlog.contextvars.bind_contextvars(tenant_id="t")
            bound.update(structlog.contextvars.get_contextvars())
            await echo(scope, receive, send)

        await call(RequestId(app), headers=[("X-Request-Id", "mine")])
        assert bound == {"request_id": "mine", "tenant_id": "t"}

    async def test_nothing_is_left_for_the_next_request(self):
        structlog.contextvars.bind_contextvars(tenant_id="somebody else")
        bound = {}

        async def app(scope, receive, send):
            bound.update(structlog.contextvars.get_contextvars())
            await echo(scope, receive, send)

        await call(RequestId(app), headers=[("X-Request-Id", "mine")])
        assert bound == {"request_id": "mine"}
        assert structlog.contextvars.get_contextvars() == {}


class TestAccessLog:
    async def test_is_one_line_with_the_route_and_no_query(self):
        with capture_logs() as lines:
            await call(RequestId(application()), "/v1/things/sk_live_4242", query=b"token=sk_live_4242")
        (line,) = lines
        assert line.pop("duration_ms") >= 0
        assert line == {
            "event": "request.handled",
            "log_level": "info",
            "method": "GET",
            "path": "/v1/things/{id}",
            "status": 200,
        }

    async def test_names_no_address_that_led_nowhere(self):
        with capture_logs() as lines:
            await call(RequestId(application()), "/sk_live_4242")
        assert [(line["path"], line["status"]) for line in lines] == [("(no route)", 404)]

    async def test_says_when_the_client_left_first(self):
        async def silent(_scope, _receive, _send):
            return

        with capture_logs() as lines:
            await call(RequestId(silent))
        assert [line["status"] for line in lines] == [499]

    async def test_is_written_when_the_application_fails(self):
        async def broken(_scope, _receive, _send):
            raise RuntimeError

        with capture_logs() as lines, pytest.raises(RuntimeError):
            await call(RequestId(broken))
        assert [line["event"] for line in lines] == ["request.handled"]


def application():
    router = APIRouter(prefix="/things")

    @router.get("/{id}")
    async def read(id: str) -> str:
        return id

    app = FastAPI()
    install(app)
    app.include_router(router, prefix="/v1")
    return app
