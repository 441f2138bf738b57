"""A request for an operation of an OpenAPI document.

Arguments are flat, `{"petId": 7, "name": "Rex"}`, where what is no parameter belongs to the body, or sorted,
`{"path": {}, "query": {}, "header": {}, "cookie": {}, "body": ...}`, where names alone would be ambiguous;
`querystring` is a place too, of OpenAPI 3.2.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import SplitResult, quote, urlsplit

from app.core.egress.headers import CONNECTION_HEADERS
from app.core.errors import Fault
from app.core.strict_json import pointer
from app.core.templates import Renderer
from app.core.url_path import climbs, quote_value
from app.executions.authentication import Login, authenticate
from app.executions.errors import ArgumentInvalid, BaseUrlMissing
from app.executions.outgoing import Invocation, OutgoingRequest, Values
from app.executions.parameters import serialize
from app.executions.request_bodies import encoded_body
from app.executions.rules import Check, Finding
from app.handlers.arguments import lay_over, without_policy
from app.handlers.bounds import excess
from app.handlers.targets import Location, OperationTarget, Parameter

_LOCATIONS: tuple[Location, ...] = ("path", "query", "header", "cookie", "querystring")
_SORTED_KEYS = frozenset({*_LOCATIONS, "body"})
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_PORTS = {"http": 80, "https": 443}


def build_operation(
    target: OperationTarget,
    invocation: Invocation,
    values: Values,
    defaults: Renderer,
    check: Check | None = None,
) -> OutgoingRequest:
    """ArgumentInvalid points at every argument that is missing, cannot be sent, or does not pass the `check`;
    values are not repeated.

    `defaults` renders the handler's default arguments.
    """
    prefix = join_base(invocation.base_url, target.server)
    login = authenticate(target.security, values)
    parameters = list(_parameters(target))
    inputs = _inputs(parameters, invocation, defaults)
    written = _written(parameters, inputs, login)
    body, content_type = _body(target, inputs, invocation)
    if check is not None:
        is_written = body is not None and invocation.opaque_body is None
        value = {} if inputs.body is None else inputs.body
        _refuse_found(check(_sent(inputs, login), value if is_written else None), inputs)
    path = "".join(
        written["path"][part] if is_name else _quoted(part)
        for part, is_name in zip(_PLACEHOLDER.split(target.path), cycle([False, True]), strict=False)
    )
    if climbs(urlsplit(prefix + path).path):
        raise ArgumentInvalid("The arguments would put a `.` or `..` segment into the path.")
    asked = filter(None, (*written["query"].values(), *written["querystring"].values()))
    query = [*asked, *(_pair(item) for item in login.query.items())]
    cookies = [*filter(None, written["cookie"].values()), *(_pair(item) for item in login.cookie.items())]
    headers = [*written["header"].items(), *login.header.items()]
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    if body is not None and content_type and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
    url = prefix + path + (f"?{'&'.join(query)}" if query else "")
    return OutgoingRequest(target.method, url, tuple(headers), body, tuple(login.secrets))


def join_base(base_url: str | None, server: str | None = None) -> str:
    """Where paths are appended: never another origin than the integration's own.

    A document's server adds its path when it is relative or of the same origin, and else is overruled.
    """
    base = _origin_and_path(base_url or "")
    if base is None:
        raise BaseUrlMissing
    own = f"{base.scheme}://{base.netloc}"
    there = _server_path(base, own, server) if server is not None else None
    return own + _quoted(base.path if there is None else there).rstrip("/")


def _server_path(base: SplitResult, own: str, server: str) -> str | None:
    """The path of a server on the integration's own origin; None for a server that is overruled."""
    is_relative = not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\", server)
    there = _origin_and_path(f"{own}/{server.lstrip('/')}" if is_relative else server)
    if there is None or _origin(there) != _origin(base) or "{" in there.path or climbs(there.path):
        return None
    return there.path


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Arguments by where they go, with what points at each in the caller's JSON."""

    placed: Mapping[Location, Mapping[str, object]]
    is_sorted: bool
    body: object

    def pointer(self, parameter: Parameter) -> str:
        return self.pointer_to((parameter.location, parameter.name))

    def pointer_to(self, path: Sequence[str | int]) -> str:
        """``path``: from the location, or ``body``."""
        return pointer(*path) if self.is_sorted else pointer(*path[1:])


def _parameters(target: OperationTarget) -> Iterator[Parameter]:
    """The declared ones, of the path those that it has, and the path's own that nobody declared."""
    undeclared = dict.fromkeys(_PLACEHOLDER.findall(target.path))
    for parameter in target.parameters:
        if parameter.location != "path":
            yield parameter
        elif parameter.name in undeclared:
            del undeclared[parameter.name]
            yield parameter
    for name in undeclared:
        implied = {"name": name, "in": "path", "required": True, "style": "simple", "explode": False}
        yield Parameter.model_validate(implied)


def _inputs(parameters: list[Parameter], invocation: Invocation, defaults: Renderer) -> _Inputs:
    """Defaults and request are sorted each by itself, so that flat defaults serve a sorted request too."""
    request = invocation.args or {}
    own = without_policy(invocation.default_args, {parameter.name for parameter in parameters})
    merged = lay_over(_sort(parameters, own), _sort(parameters, request), defaults)
    placed = {name: group for name in _LOCATIONS if isinstance(group := merged[name], Mapping)}
    return _Inputs(placed, is_sorted=_is_sorted(parameters, request), body=merged.get("body"))


def _is_sorted(parameters: list[Parameter], args: Mapping[str, object]) -> bool:
    """A parameter named like a place makes arguments of that name flat."""
    return (
        bool(args)
        and args.keys() <= _SORTED_KEYS
        and not any(parameter.name in args for parameter in parameters)
        and all(isinstance(args.get(location, {}), Mapping) for location in _LOCATIONS)
    )


def _sort(parameters: list[Parameter], args: Mapping[str, object]) -> dict[str, object]:
    """Arguments by place; without `body` where there is nothing for it."""
    placed: dict[str, dict[str, object]] = {location: {} for location in _LOCATIONS}
    if _is_sorted(parameters, args):
        _refuse_unknown(parameters, args)
        return {**placed, **args}
    names = Counter(parameter.name for parameter in parameters)
    if ambiguous := [name for name in args if names[name] > 1]:
        message = "Several parameters have this name; sort the arguments by path, query, header and cookie."
        raise ArgumentInvalid(errors=[Fault(pointer(name), message) for name in ambiguous])
    for parameter in parameters:
        if parameter.name in args:
            placed[parameter.location][parameter.name] = args[parameter.name]
    rest = {name: value for name, value in args.items() if name not in names}
    return {**placed, "body": rest} if rest else {**placed}


def _refuse_unknown(parameters: list[Parameter], args: Mapping[str, object]) -> None:
    known = {(parameter.location, parameter.name) for parameter in parameters}
    groups = [
        (location, group) for location in _LOCATIONS if isinstance(group := args.get(location), Mapping)
    ]
    unknown = [
        Fault(pointer(location, name), "The operation has no such parameter.")
        for location, group in groups
        for name in group
        if (location, name) not in known
    ]
    if unknown:
        raise ArgumentInvalid(errors=unknown)


def _written(parameters: list[Parameter], inputs: _Inputs, login: Login) -> dict[Location, dict[str, str]]:
    """Each location's parameters by name, serialised; null counts as absent."""
    written: dict[Location, dict[str, str]] = {location: {} for location in _LOCATIONS}
    faults: list[Fault] = []
    for parameter in parameters:
        if login.supplies(parameter.location, parameter.name):
            continue
        value = inputs.placed[parameter.location].get(parameter.name)
        if problem := _problem(parameter, value):
            faults.append(Fault(inputs.pointer(parameter), problem))
        elif value is not None:
            written[parameter.location][parameter.name] = serialize(parameter, value)
    if faults:
        raise ArgumentInvalid(errors=faults)
    return written


def _sent(inputs: _Inputs, login: Login) -> dict[str, dict[str, object]]:
    """The parameters that are the caller's to get right: null is not sent, nor what credentials replace."""
    return {
        location: {
            name: value
            for name, value in group.items()
            if value is not None and not login.supplies(location, name)
        }
        for location, group in inputs.placed.items()
    }


def _refuse_found(findings: Sequence[Finding], inputs: _Inputs) -> None:
    if findings:
        raise ArgumentInvalid(
            "The arguments are not what the operation takes.",
            errors=[Fault(inputs.pointer_to(one.path), one.message) for one in findings],
        )


def _problem(parameter: Parameter, value: object) -> str | None:
    if parameter.location == "header" and parameter.name.lower() in CONNECTION_HEADERS:
        return None if value is None else "This header is set by the connection."
    if parameter.location == "header" and parameter.name.lower() == "idempotency-key" and value is None:
        return None
    if value is None and (parameter.required or parameter.location == "path"):
        return f"The {parameter.location} parameter is required."
    if problem := excess(value):
        return f"The value {problem}."
    # An empty segment would address the collection instead of a member.
    empty = "." if parameter.style == "label" else ""
    if parameter.location == "path" and serialize(parameter, value) == empty:
        return "The path parameter must not be empty."
    return None


def _body(
    target: OperationTarget, inputs: _Inputs, invocation: Invocation
) -> tuple[bytes | None, str | None]:
    if target.body is None:
        return None, None
    if (opaque := invocation.opaque_body) is not None:
        return opaque, invocation.content_type
    value = inputs.body
    if value is None and target.body.required:
        if inputs.is_sorted:
            raise ArgumentInvalid(errors=[Fault("/body", "The body is required.")])
        value = {}
    if value is None:
        return None, None
    return encoded_body(value, target.body.content_types, ("body",) if inputs.is_sorted else ())


def _pair(item: tuple[str, str]) -> str:
    return f"{quote_value(item[0])}={quote_value(item[1])}"


def _quoted(path: str) -> str:
    """A path from a document or setting: what RFC 3986 allows stays, with braces, as a template has them."""
    return quote(path, safe="/%:@!$&'()*+,;=~{}")


def _origin_and_path(url: str) -> SplitResult | None:
    """None for what is no plain http(s) URL."""
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in _PORTS and parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:
        return None
    return parts if is_plain and not re.search(r"[\x00-\x20\\]", url) else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
