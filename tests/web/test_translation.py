"""Claims about what other libraries' exceptions become."""

import socket
from typing import Annotated, Literal
from uuid import UUID

import pytest
from asyncpg import connect
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.exceptions import HTTPException

import app.web.errors_of_fastapi  # noqa: F401 -- adds what FastAPI raises
from app.core.errors import AppError, Fault, NotFound, TooLarge, Unavailable, Unprocessable
from app.web.translation import translate

SECRET = "sk_live_4242"


class Hmac(BaseModel):
    scheme: Literal["hmac"]
    header: str


class Basic(BaseModel):
    scheme: Literal["basic"]
    user: str


class Handler(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verification: Annotated[Hmac | Basic, Field(discriminator="scheme")] | None = None
    limits: dict[str, int] = {}
    owner: UUID | None = None
    amount: int | list[int] = 0
    key: str = ""

    @field_validator("key")
    @classmethod
    def reject(cls, key):
        if key:
            raise ValueError(f"no such key as {key}" if key == SECRET else "is reserved")
        return key


def faults(body):
    """What a caller of an endpoint that takes a ``Handler`` is told."""
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(Handler).validate_python(body)
    details = [{**detail, "loc": ("body", *detail["loc"])} for detail in refusal.value.errors()]
    error = translate(RequestValidationError(details, body=body))
    assert isinstance(error, Unprocessable)
    assert SECRET not in str([fault.message for fault in error.errors])
    return list(error.errors)


class TestFaults:
    def test_a_branch_of_a_union_is_not_part_of_a_pointer(self):
        assert faults({"verification": {"scheme": "hmac"}}) == [
            Fault("/verification/header", "This field is required.")
        ]

    def test_every_branch_of_a_plain_union_points_at_the_value(self):
        assert {fault.pointer for fault in faults({"amount": "x"})} == {"/amount"}
        assert {fault.pointer for fault in faults({"amount": [1, "x"]})} == {"/amount", "/amount/1"}

    def test_an_unknown_kind_is_not_repeated(self):
        (fault,) = faults({"verification": {"scheme": SECRET}})
        assert fault.pointer == "/verification"

    def test_an_unknown_field_is_named(self):
        assert faults({"nmae": 1}) == [Fault("/nmae", "This field is unknown.")]

    def test_keys_are_escaped(self):
        (fault,) = faults({"limits": {"a/b~c": "x"}})
        assert fault.pointer == "/limits/a~1b~0c"

    def test_a_bad_uuid_is_not_quoted(self):
        assert faults({"owner": SECRET}) == [Fault("/owner", "Input should be a valid UUID.")]

    def test_a_validators_message_is_passed_on(self):
        assert faults({"key": "x"}) == [Fault("/key", "is reserved.")]

    def test_a_validators_message_that_repeats_the_input_is_not(self):
        assert faults({"key": SECRET}) == [Fault("/key", "This value is not valid.")]

    def test_a_body_that_is_no_object_is_pointed_at_as_a_whole(self):
        assert [fault.pointer for fault in faults([])] == [""]


class TestHttpException:
    def test_becomes_the_class_of_its_status(self):
        assert type(translate(HTTPException(413))) is TooLarge

    def test_keeps_its_headers(self):
        assert translate(HTTPException(405, headers={"Allow": "GET"})).headers == {"Allow": "GET"}

    @pytest.mark.parametrize(("status", "own"), [(406, 400), (507, 500)])
    def test_of_a_status_that_nobody_uses_here_is_the_general_one(self, status, own):
        assert translate(HTTPException(status)).status == own

    def test_that_wraps_an_error_of_ours_is_that_error(self):
        wrapped = HTTPException(400)
        wrapped.__cause__ = NotFound()
        assert translate(wrapped) is wrapped.__cause__


class State(Exception):
    def __init__(self, sqlstate):
        self.sqlstate = sqlstate


def database_error(sqlstate, kind=DBAPIError, **more):
    return kind(f"SELECT '{SECRET}'", {}, State(sqlstate), **more)


class TestDatabase:
    @pytest.mark.parametrize(
        "sqlstate", ["08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P03"]
    )
    def test_what_passes_is_unavailable(self, sqlstate):
        error = translate(database_error(sqlstate))
        assert isinstance(error, Unavailable)
        assert error.headers == {"Retry-After": "1"}

    def test_a_lost_connection_is_unavailable(self):
        assert translate(database_error(None, connection_invalidated=True)).status == 503

    def test_no_free_connection_is_unavailable(self):
        assert translate(PoolTimeout()).status == 503

    @pytest.mark.parametrize("sqlstate", ["22003", "22021", "22P05"])
    def test_a_value_that_does_not_fit_is_unprocessable(self, sqlstate):
        error = translate(database_error(sqlstate))
        assert error.status == 422
        assert SECRET not in error.detail

    @pytest.mark.parametrize("sqlstate", ["42601", "23505", None])
    def test_anything_else_is_our_fault(self, sqlstate):
        assert type(translate(database_error(sqlstate, IntegrityError))) is AppError

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "url", ["postgresql+asyncpg://u:p@127.0.0.1:1/x", "postgresql+asyncpg://u:p@/x?host=/nowhere"]
    )
    async def test_a_server_that_is_not_there_is_unavailable(self, url):
        engine = create_async_engine(url)
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)) as refusal:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        assert translate(refusal.value).status == 503

    @pytest.mark.anyio
    async def test_a_server_that_does_not_answer_is_unavailable(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            with pytest.raises(TimeoutError) as refusal:
                await connect(host="127.0.0.1", port=port, user="u", database="d", timeout=0.05, ssl=False)
        assert translate(refusal.value).status == 503


class TestAnythingElse:
    def test_another_missing_file_is_our_fault(self):
        with pytest.raises(FileNotFoundError) as refusal:
            open("/nowhere/at/all")  # noqa: PTH123, SIM115 - it raises
        assert type(translate(refusal.value)) is AppError

    def test_the_message_is_dropped(self):
        assert SECRET not in translate(KeyError(SECRET)).detail
