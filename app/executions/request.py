"""Builds the request that a handler's target asks for. Pure: nothing is looked up, nothing is sent."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from app.core.egress.headers import check_headers
from app.core.errors import Fault
from app.core.secret import Secret
from app.core.strict_json import pointer
from app.core.templates import Reference, Renderer, parse
from app.executions.errors import ArgumentInvalid
from app.executions.operations import build_operation, join_base
from app.executions.outgoing import Invocation, OutgoingRequest, Values
from app.executions.parameters import form, json_text
from app.executions.rules import Check
from app.handlers.arguments import lay_over, without_policy
from app.handlers.bounds import excess
from app.handlers.targets import TEMPLATE_NAMESPACES, HttpTarget, OperationTarget, is_form, is_json

_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def build(
    target: OperationTarget | HttpTarget, invocation: Invocation, values: Values, check: Check | None = None
) -> OutgoingRequest:
    """The arguments laid over the handler's defaults, in the shape of the target. ``check``: what they have
    to pass where the target is an operation.

    Templates in the target and in the defaults are rendered, the caller's own text never. The upstream gets
    the `Idempotency-Key` of the invocation, unless the handler sets its own.
    """
    defaults = Renderer({"credentials": values.credentials, "secrets": values.secrets})
    if isinstance(target, OperationTarget):
        request = build_operation(target, invocation, values, defaults, check)
    else:
        request = _build_http(target, invocation, values, defaults)
    if not any(name.lower() == "idempotency-key" for name, _ in request.headers):
        request.headers = (*request.headers, ("Idempotency-Key", invocation.idempotency_key))
    check_headers(request.headers)
    request.secrets_used = (*defaults.revealed, *request.secrets_used)
    return request


def _build_http(
    target: HttpTarget, invocation: Invocation, values: Values, defaults: Renderer
) -> OutgoingRequest:
    args = lay_over(without_policy(invocation.default_args), invocation.args or {}, defaults)
    renderer = Renderer({"args": args, "credentials": values.credentials, "secrets": values.secrets})
    url = renderer.url(target.url)
    if url.startswith("/"):
        url = join_base(invocation.base_url) + url
    headers = [(name, renderer.header(value)) for name, value in target.headers.items()]
    media_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    body: bytes | None = None
    if target.body is not None:
        body, default_type = _encoded(renderer.json(target.body), media_type)
    elif target.method in _WITHOUT_BODY:
        url, default_type = _with_query(url, _not_named(target, args)), None
    elif (body := invocation.opaque_body) is not None:
        default_type = invocation.content_type
    else:
        body, default_type = _encoded(args, media_type)
    if default_type and media_type is None:
        headers.append(("Content-Type", default_type))
    secrets: tuple[Secret, ...] = tuple(renderer.revealed)
    return OutgoingRequest(target.method, url, tuple(headers), body, secrets)


def _encoded(value: object, media_type: str | None) -> tuple[bytes, str]:
    """The body, and its media type where the handler names none."""
    if isinstance(value, str) and not is_json(media_type or ""):
        return value.encode(), "text/plain; charset=utf-8"
    if isinstance(value, Mapping) and is_form(media_type or ""):
        return form(value).encode(), ""
    return json_text(value), "application/json"


def _not_named(target: HttpTarget, args: Mapping[str, object]) -> dict[str, object]:
    """Arguments that no template of the address or headers has put anywhere yet."""
    templates = [parse(text, TEMPLATE_NAMESPACES) for text in (target.url, *target.headers.values())]
    references = [part for template in templates for part in template if isinstance(part, Reference)]
    named = {part.path.partition(".")[0] for part in references if part.namespace == "args"}
    return {name: value for name, value in args.items() if name not in named}


def _with_query(url: str, args: Mapping[str, object]) -> str:
    """Names that the handler's own query has are left out: a caller adds to it but overrules nothing."""
    taken = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    added = {name: value for name, value in args.items() if name not in taken and value is not None}
    if problem := excess(added):
        raise ArgumentInvalid(errors=[Fault(pointer(), f"The value {problem}.")])
    query = form(added)
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url
