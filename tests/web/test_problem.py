"""Claims about how an error is answered, whoever raised it."""

import json
from uuid import UUID

import pytest
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from app.core.errors import AppError, Conflict, Fault, NotFound, TooManyRequests, Unprocessable
from app.core.strict_json import loads
from app.web.errors_of_fastapi import install
from app.web.problem import MAX_FAULTS, MAX_POINTER, CatchAll, problem, title
from tests.web.asgi import Exchange, call, http_scope, respond

pytestmark = pytest.mark.anyio

JSON = [("Content-Type", "application/json")]
SECRET = "sk_live_4242"


class NameTaken(Conflict):
    """The name is taken."""


class ThingCreate(BaseModel):
    name: str = Field(pattern="^[a-z]+$")
    size: int = 1


def application():
    app = FastAPI(openapi_url=None)
    install(app)

    @app.get("/things/{id}")
    async def read(id: UUID, limit: int = 1) -> int:
        if id.int == 0:
            raise NotFound
        return limit

    @app.post("/things")
    async def create(thing: ThingCreate) -> str:
        if thing.name == "taken":
            raise NameTaken
        if thing.name == "broken":
            raise RuntimeError(SECRET) from ValueError(SECRET)
        return thing.name

    @app.post("/strict")
    async def strict(request: Request) -> None:
        loads(await request.body())

    @app.get("/teapot/{status}")
    async def teapot(status: int) -> None:
        raise HTTPException(status, SECRET)

    return CatchAll(app)


async def post(body, path="/things", headers=JSON):
    return await call(application(), path, method="POST", headers=headers, chunks=[body])


class TestDocument:
    def test_has_every_member_and_nothing_else(self):
        status, headers, body = problem(NameTaken(), "r-1")
        assert (status, headers["content-type"]) == (409, "application/problem+json")
        assert json.loads(body) == {
            "type": "/problems/name_taken",
            "title": "Conflict",
            "status": 409,
            "detail": "The name is taken.",
            "code": "name_taken",
            "requestId": "r-1",
            "errors": [],
        }

    def test_is_never_cached(self):
        assert problem(NotFound(), "r")[1]["cache-control"] == "no-store"

    def test_points_at_faults(self):
        error = Unprocessable(errors=[Fault("/name", "Too long.")])
        assert json.loads(problem(error, "r")[2])["errors"] == [{"pointer": "/name", "message": "Too long."}]

    def test_carries_the_headers_and_members_of_its_error(self):
        error = TooManyRequests(headers={"Retry-After": "3"}, extra={"limit": 7, "status": "nonsense"})
        _, headers, body = problem(error, "r")
        assert headers["retry-after"] == "3"
        assert (json.loads(body)["limit"], json.loads(body)["status"]) == (7, 429)

    def test_stays_small_however_much_is_wrong(self):
        error = Unprocessable(errors=[Fault("/" + "k" * 10_000, "Wrong.")] * 10_000)
        assert len(problem(error, "r")[2]) < MAX_FAULTS * (MAX_POINTER + 100)

    def test_can_be_written_whatever_is_in_it(self):
        body = problem(Unprocessable(errors=[Fault("/\ud800", "é")]), "r")[2]
        assert json.loads(body)["errors"] == [{"pointer": "/?", "message": "é"}]

    def test_length_is_counted_in_bytes(self):
        _, headers, body = problem(NotFound("é"), "r")
        assert headers["content-length"] == str(len(body))


class TestTitle:
    @pytest.mark.parametrize(
        ("status", "phrase"),
        [
            (404, "Not Found"),
            (413, "Content Too Large"),
            (414, "URI Too Long"),
            (422, "Unprocessable Content"),
            (500, "Internal Server Error"),
        ],
    )
    def test_is_the_phrase_of_rfc_9110(self, status, phrase):
        assert title(status) == phrase


class TestInstalled:
    async def test_an_error_of_ours_is_answered_as_it_is(self):
        answer = await post(b'{"name": "taken"}')
        assert (answer.status, answer.json["code"]) == (409, "name_taken")

    async def test_an_unknown_path_is_not_found(self):
        answer = await call(application(), "/nowhere")
        assert (answer.status, answer.json["code"]) == (404, "not_found")

    async def test_a_wrong_method_names_the_right_ones(self):
        answer = await call(application(), "/things", method="DELETE")
        assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"

    async def test_a_malformed_id_answers_exactly_as_an_unknown_one(self):
        scope = {"state": {"request_id": "r"}}
        unknown = await call(application(), f"/things/{UUID(int=0)}", **scope)
        for path in ("/things/1", "/things/%00", f"/things/{SECRET}"):
            assert await call(application(), path, query=b"limit=x", **scope) == unknown

    async def test_a_bad_parameter_is_pointed_at(self):
        answer = await call(application(), f"/things/{UUID(int=1)}", query=b"limit=" + SECRET.encode())
        assert (answer.status, answer.json["code"]) == (422, "unprocessable")
        assert answer.json["errors"][0]["pointer"] == "/query/limit"
        assert SECRET.encode() not in answer.body

    async def test_bad_fields_are_pointed_at_and_not_repeated(self):
        answer = await post(json.dumps({"name": SECRET, "size": SECRET}).encode())
        assert answer.status == 422
        assert [fault["pointer"] for fault in answer.json["errors"]] == ["/name", "/size"]
        assert SECRET.encode() not in answer.body

    @pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a"}', SECRET.encode(), b"[" * 100_000])
    async def test_malformed_json_is_400(self, body):
        answer = await post(body)
        assert answer.status == 400
        assert SECRET.encode() not in answer.body

    async def test_what_a_reader_of_the_body_raised_is_kept(self):
        answer = await post(b'{"a": 1, "a": 2}', "/strict")
        assert (answer.status, answer.json["code"]) == (400, "malformed_json")

    @pytest.mark.parametrize("headers", [[], [("Content-Type", "text/plain")], [("Content-Type", ";;")]])
    async def test_a_body_that_is_not_declared_json_is_415(self, headers):
        answer = await post(b'{"name": "a"}', headers=headers)
        assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")

    @pytest.mark.parametrize("type_", ["application/json; charset=utf-8", "application/merge-patch+json"])
    async def test_a_body_declared_json_is_read(self, type_):
        assert (await post(b'{"name": "a"}', headers=[("Content-Type", type_)])).status == 200

    async def test_a_missing_body_is_asked_for(self):
        answer = await post(b"")
        assert (answer.status, answer.json["errors"]) == (
            422,
            [{"pointer": "", "message": "A JSON body is required."}],
        )

    @pytest.mark.parametrize(("status", "code"), [(401, "unauthenticated"), (418, "malformed_request")])
    async def test_the_text_of_a_foreign_exception_is_not_passed_on(self, status, code):
        answer = await call(application(), f"/teapot/{status}")
        assert answer.json["code"] == code
        assert SECRET.encode() not in answer.body

    async def test_head_gets_the_headers_only(self):
        async def missing(_scope, _receive, _send):
            raise NotFound

        answer = await call(CatchAll(missing), method="HEAD")
        assert (answer.status, answer.body) == (404, b"")
        assert int(answer.headers["content-length"]) > 0


class TestUnexpected:
    async def test_is_a_500_without_detail(self):
        with capture_logs():
            answer = await post(b'{"name": "broken"}')
        assert (answer.status, answer.json["code"]) == (500, "app_error")
        assert answer.json["detail"] == " ".join((AppError.__doc__ or "").split())
        assert SECRET.encode() not in answer.body

    async def test_is_logged_once_with_places_and_no_values(self):
        with capture_logs() as lines:
            await post(b'{"name": "broken"}')
        (line,) = lines
        assert (line["event"], line["log_level"], line["code"]) == ("request.failed", "error", "app_error")
        assert line["causes"] == ["builtins.RuntimeError", "builtins.ValueError"]
        assert "in create" in line["stack"]
        assert SECRET not in str(line)

    async def test_ends_nothing_that_has_begun(self):
        async def half(_scope, _receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError

        exchange = Exchange(http_scope())
        with capture_logs() as lines:
            await exchange.run(CatchAll(half))
        assert [message["type"] for message in exchange.sent] == ["http.response.start"]
        assert len(lines) == 1

    async def test_a_client_that_left_is_no_error(self):
        async def abandoned(_scope, _receive, _send):
            raise ClientDisconnect

        exchange = Exchange(http_scope())
        with capture_logs() as lines:
            await exchange.run(CatchAll(abandoned))
        assert exchange.sent == []
        assert [line["log_level"] for line in lines] == ["debug"]

    async def test_an_error_of_ours_is_answered_and_not_logged(self):
        async def missing(_scope, _receive, _send):
            raise NotFound

        with capture_logs() as lines:
            answer = await call(CatchAll(missing))
        assert (answer.status, lines) == (404, [])

    async def test_a_circle_of_causes_is_described_once(self):
        async def circular(_scope, _receive, _send):
            first, second = RuntimeError(), ValueError()
            first.__cause__, second.__cause__ = second, first
            raise first

        with capture_logs() as lines:
            await call(CatchAll(circular))
        assert lines[0]["causes"] == ["builtins.RuntimeError", "builtins.ValueError"]

    async def test_other_scopes_pass_untouched(self):
        async def lifespan(_scope, _receive, send):
            await respond(send)
            raise RuntimeError("startup failed")

        exchange = Exchange({"type": "lifespan"})
        with pytest.raises(RuntimeError, match="startup failed"):
            await exchange.run(CatchAll(lifespan))
