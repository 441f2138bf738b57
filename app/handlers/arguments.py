"""`defaultArgs` of a handler: what a call's own arguments are laid over, and how the execution is driven."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.core.errors import Fault
from app.core.templates import Renderer
from app.handlers.bounds import excess

DEFAULT_TIMEOUT_MS = 30_000
MAX_TIMEOUT_MS = 120_000
DEFAULT_RETRIES = 3
MAX_RETRIES = 20
_LIMITS = {"timeout": (1, MAX_TIMEOUT_MS), "retries": (0, MAX_RETRIES)}


@dataclass(frozen=True, slots=True)
class Policy:
    """How long one attempt may take, and how many attempts may follow the first."""

    timeout_ms: int = DEFAULT_TIMEOUT_MS
    retries: int = DEFAULT_RETRIES


def faults(default_args: Mapping[str, object], parameters: Collection[str] = ()) -> list[Fault]:
    """What is wrong with `defaultArgs`. `parameters` are the names that the operation takes itself."""
    if problem := excess(default_args):
        return [Fault("/defaultArgs", f"The value {problem}.")]
    return [
        Fault(f"/defaultArgs/{name}", f"Must be a whole number from {low} to {high}.")
        for name, (low, high) in _LIMITS.items()
        if name in default_args and name not in parameters and not _is_within(default_args[name], low, high)
    ]


def policy(default_args: Mapping[str, object], parameters: Collection[str] = ()) -> Policy:
    """What faultless `defaultArgs` ask for, apart from names that the operation takes itself."""
    timeout = None if "timeout" in parameters else default_args.get("timeout")
    retries = None if "retries" in parameters else default_args.get("retries")
    return Policy(
        timeout if isinstance(timeout, int) else DEFAULT_TIMEOUT_MS,
        retries if isinstance(retries, int) else DEFAULT_RETRIES,
    )


def without_policy(default_args: Mapping[str, object], parameters: Collection[str] = ()) -> dict[str, object]:
    """The defaults that are for the upstream."""
    return {name: value for name, value in default_args.items() if name not in _LIMITS or name in parameters}


def lay_over(
    defaults: Mapping[str, object], request: Mapping[str, object], renderer: Renderer
) -> dict[str, object]:
    """The request laid over the defaults: objects are merged, anything else of the request replaces.

    References in the defaults are rendered, without those that the request replaces. The request's own values
    are taken as they are: whoever calls a webhook cannot write templates.
    """
    merged: dict[str, object] = {}
    for name, default in defaults.items():
        if name not in request:
            merged[name] = renderer.json(default, lenient=True)
            continue
        value = request[name]
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            value = lay_over(default, value, renderer)
        merged[name] = value
    return merged | {name: value for name, value in request.items() if name not in defaults}


def _is_within(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
