"""405 with every method that a path has. The router knows those of the first route with the path only."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import compile_path

from app.web.errors import MethodNotAllowed
from app.web.problem import render


def install_allow(app: FastAPI) -> None:
    """``Allow`` lists all of them (RFC 9110, section 15.5.6). Call it when every route is there."""
    routes = [
        (str(context.path), compile_path(str(context.path))[0], context.original_route.methods or ())
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute)
    ]

    async def refuse(request: Request, _: Exception) -> Response:
        path = request.scope["path"]
        found = [(template, methods) for template, pattern, methods in routes if pattern.match(path)]
        # `/executions/replay` is that, and no execution of that name.
        exact = [methods for template, methods in found if template == path]
        allowed = {method for methods in exact or [methods for _, methods in found] for method in methods}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        return await render(request, MethodNotAllowed(headers={"Allow": ", ".join(sorted(allowed))}))

    app.add_exception_handler(MethodNotAllowed.status, refuse)
