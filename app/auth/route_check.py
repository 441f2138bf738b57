"""Deny by default, at start-up: a route that does not say who may call it does not go on the air."""

from collections.abc import Iterator, Sequence

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from app.auth.dependencies import Operator, Requires, open_to_everybody
from app.core.boot import Misconfigured


def check_every_route_declares_a_scope(routes: Sequence[BaseRoute]) -> None:
    """Raises ``Misconfigured``, naming the first route without ``requires``, ``operator`` or ``public``."""
    for method, path, dependant in _operations(routes):
        if not any(_declares(dependency.call) for dependency in dependant.dependencies):
            raise Misconfigured(f"{method} {path} declares no scope.")


def _operations(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str, Dependant]]:
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            effective: Dependant = getattr(context, "dependant", None) or route.dependant
            yield ",".join(sorted(route.methods or ())), str(context.path), effective


def _declares(call: object) -> bool:
    return isinstance(call, Requires | Operator) or call is open_to_everybody
