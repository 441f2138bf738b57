"""How a request's body is read and a conditional read is answered, on every API route."""

from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute, APIRouter
from starlette.exceptions import HTTPException

from app.core import strict_json
from app.core.errors import AppError
from app.web.errors import UnsupportedMediaType
from app.web.openapi import operation_id

Handle = Callable[[Request], Awaitable[Response]]


class StrictRequest(Request):
    """A request whose JSON is read by the strict reader."""

    async def json(self) -> object:
        return strict_json.loads(await self.body())


class Route(APIRoute):
    """Reads JSON strictly, refuses other media types, and answers 304 where ``If-None-Match`` matches."""

    def get_route_handler(self) -> Handle:  # type: ignore[override]  # FastAPI says Coroutine
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            # One object for all who read: a second one would wait for a body that the first has taken.
            strict = StrictRequest(request.scope, request.receive)
            if self.body_field is not None and not _is_read_as_json(strict.headers.get("content-type")):
                await _refuse_other_bodies(strict)
            try:
                response = await handle(strict)
            except HTTPException as error:
                # FastAPI wraps whatever the reader of the body raises into a 400 of its own.
                raise error.__cause__ if isinstance(error.__cause__, AppError) else error from None
            return _not_modified(request, response) or response

        return read_strictly


class Router(APIRouter):
    """The routes of a feature, complete in themselves: the application takes them as they are.

    Including a router would analyse the dependencies of each of its routes once more.
    """

    def __init__(self, *, route_class: type[APIRoute] = Route, **options: Any) -> None:
        super().__init__(route_class=route_class, generate_unique_id_function=operation_id, **options)


def _is_read_as_json(content_type: str | None) -> bool:
    """By FastAPI: ``application/json`` or the suffix ``+json`` (RFC 6839, section 3.1), not ``text/json``."""
    message = Message()
    message["content-type"] = content_type or "application/octet-stream"
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )


async def _refuse_other_bodies(request: Request) -> None:
    if await request.body():
        raise UnsupportedMediaType(
            "Send the body as application/json.", headers={"Accept": "application/json"}
        )


def _not_modified(request: Request, response: Response) -> Response | None:
    tag = response.headers.get("etag")
    wanted = request.headers.get("if-none-match")
    if request.method != "GET" or tag is None or wanted is None:
        return None
    candidates = {candidate.strip().removeprefix("W/") for candidate in wanted.split(",")}
    return Response(status_code=304, headers={"ETag": tag}) if candidates & {tag, "*"} else None
