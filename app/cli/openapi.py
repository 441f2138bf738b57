"""``jackfield openapi``: our own description, and plans for those of others. No database."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urljoin

from typer import Argument, BadParameter, Exit, Option, Typer

from app.cli.descriptions import HTTP, load
from app.cli.output import complain, out, show_table
from app.core import settings as configuration
from app.core.egress.calls import Answer, Call, CallClient
from app.core.egress.policy import EgressPolicy
from app.core.ids import new_id
from app.core.secret import Secret
from app.executions.caller import MAX_RESPONSE_BYTES
from app.executions.outgoing import Invocation, OutgoingRequest, Values
from app.executions.redaction import Redactor
from app.executions.request import build
from app.handlers.arguments import DEFAULT_TIMEOUT_MS
from app.handlers.targets import TARGET, OperationTarget
from app.openapi_sync.argument_check import ArgumentCheck
from app.openapi_sync.differences import differences
from app.openapi_sync.document import read
from app.openapi_sync.offline import OfflinePlan, find_operation, plan_offline
from app.openapi_sync.tool_schemas import ToolSchemas

commands = Typer(
    help="The description of this API, and plans for others.", no_args_is_help=True, add_completion=False
)

Source = Annotated[str, Argument(metavar="FILE|URL", help="An OpenAPI document, JSON or YAML.")]
DEFAULT_FILE = Path("openapi/openapi.json")


@commands.command()
def export(
    file: Annotated[Path, Argument(help="Where to write it.")] = DEFAULT_FILE,
    *,
    check: Annotated[bool, Option("--check", help="Write nothing; fail if the file differs.")] = False,
) -> None:
    """Write the OpenAPI document of Jackfield, the same bytes for the same API."""
    from app.main import create_routes, describe  # half a second that the other commands need not wait

    document = json.dumps(describe(create_routes()), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document, encoding="utf-8")
        out.print(f"{file} is written.", markup=False)
    elif not file.is_file() or file.read_text(encoding="utf-8") != document:
        complain(f"{file} does not describe this API: run `jackfield openapi export`.")
        raise Exit(1)


@commands.command()
def plan(
    source: Source,
    *,
    name: Annotated[str, Option(help="The integration's name, which handler names do not repeat.")] = "",
    as_json: Annotated[bool, Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Tell which handlers a first sync would make of a document, and what it passes over and why."""
    found = load(source)
    made = plan_offline(found.text, name, found.oddities)
    if as_json:
        out.print(json.dumps(_wire(made), indent=2), markup=False)
    else:
        _show(made)


@commands.command()
def diff(
    old: Annotated[str, Argument(metavar="OLD", help="A file or address.")],
    new: Annotated[str, Argument(metavar="NEW", help="A later version of the same document.")],
    *,
    check: Annotated[bool, Option("--check", help="Fail if a change is breaking.")] = False,
    as_json: Annotated[bool, Option("--json", help="The changes as JSON.")] = False,
) -> None:
    """Tell what changed between two versions of a document for those who call its operations."""
    before, after = read(load(old).text), read(load(new).text)
    found = differences(before, after)
    breaking = sum(one.is_breaking for one in found)
    if as_json:
        versions = {
            "old": {"openapi": before.version, "hash": before.content_hash},
            "new": {"openapi": after.version, "hash": after.content_hash},
        }
        told = [{**asdict(one), "breaking": one.is_breaking} for one in found]
        out.print(json.dumps({**versions, "breaking": breaking, "changes": told}, indent=2), markup=False)
    else:
        show_table(
            ("", "change", "method", "path", "where", "before", "after"),
            (
                (
                    "breaking" if one.is_breaking else "",
                    one.kind,
                    one.method,
                    one.path,
                    one.where,
                    *("" if side is None else json.dumps(side) for side in (one.before, one.after)),
                )
                for one in found
            ),
        )
        out.print(f"{len(found)} changes, {breaking} of them breaking", markup=False)
    if check and breaking:
        raise Exit(1)


@commands.command()
def call(
    source: Source,
    operation: Annotated[str, Argument(help="Its operationId, its handler's name, or `METHOD /path`.")],
    *,
    args: Annotated[str, Option(help="The arguments, a JSON object.")] = "{}",
    base_url: Annotated[
        str | None, Option(help="Where it is served. Default: the document's server.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        Option(help="`KEY=VALUE`, or `KEY` for the variable of the environment; repeatable."),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Print the request, and do not send it.")] = False,
) -> None:
    """Call an operation as its handler would, and print request and answer, without the secrets in them."""
    document, found = find_operation(load(source).text, operation)
    target = TARGET.validate_python(found.target())
    if not isinstance(target, OperationTarget):
        raise BadParameter("is a webhook, which is received and not sent", param_hint="OPERATION")
    invocation = Invocation(
        idempotency_key="dry-run" if dry_run else str(new_id()),
        base_url=base_url or _served_at(source, target),
        default_args=found.default_args,
        args=_object(args),
    )
    values = Values(secrets=dict(_secret(one) for one in secret or []))
    request = build(target, invocation, values, ArgumentCheck(ToolSchemas(document).arguments(found)))
    redactor = Redactor(request.secrets_used)
    _show_message(f"{request.method} {redactor.text(request.url)}", request.headers, request.body, redactor)
    if not dry_run:
        answer = asyncio.run(_send(request))
        out.print()
        _show_message(f"HTTP {answer.status}", answer.headers, answer.body, redactor)


def _served_at(source: str, target: OperationTarget) -> str:
    """The server that the document names, relative to where it is if that is an address."""
    return urljoin(source, target.server or "") if source.startswith(HTTP) else target.server or ""


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadParameter(f"is not JSON: {error}", param_hint="--args") from error
    if not isinstance(value, dict):
        raise BadParameter("must be a JSON object", param_hint="--args")
    return value


def _secret(given: str) -> tuple[str, Secret]:
    key, equals, value = given.partition("=")
    if not equals and key not in os.environ:
        raise BadParameter(f"the environment has no {key}", param_hint="--secret")
    return key, Secret(value if equals else os.environ[key])


async def _send(request: OutgoingRequest) -> Answer:
    async with CallClient(EgressPolicy(configuration.load().egress_allow)) as client:
        return await client.call(
            Call(
                method=request.method,
                url=request.url,
                headers=request.headers,
                body=request.body,
                timeout_ms=DEFAULT_TIMEOUT_MS,
                max_response_bytes=MAX_RESPONSE_BYTES,
            )
        )


def _show_message(
    first: str, headers: Sequence[tuple[str, str]], body: bytes | None, redactor: Redactor
) -> None:
    out.print(first, markup=False)
    for name, value in redactor.headers(headers):
        out.print(f"{name}: {value}", markup=False)
    if body:
        out.print()
        out.print(redactor.body(body).decode(errors="replace"), markup=False)


@commands.command()
def schema(
    source: Source,
    operation: Annotated[str, Argument(help="Its operationId, its handler's name, or `METHOD /path`.")],
) -> None:
    """Print what an operation takes and gives, as JSON Schema that stands alone."""
    document, found = find_operation(load(source).text, operation)
    schemas = ToolSchemas(document)
    told = {"input": schemas.input(found), "output": schemas.output(found)}
    out.print(json.dumps(told, indent=2, ensure_ascii=False), markup=False)


def _wire(made: OfflinePlan) -> dict[str, object]:
    return {
        "openapi": made.version,
        "operations": len(made.create) + len(made.skipped),
        "handlers": [
            {
                "name": one.name,
                "method": one.operation.method,
                "path": one.operation.path,
                "operationId": one.operation.operation_id,
                "degraded": one.operation.is_degraded,
            }
            for one in made.create
        ],
        "skipped": [{"method": one.method, "path": one.path, "reason": one.reason} for one in made.skipped],
        "warnings": [{"pointer": one.pointer, "message": one.message} for one in made.warnings],
        "parseMs": round(made.parse_ms, 2),
        "planMs": round(made.plan_ms, 2),
        "peakMb": round(made.peak_mb, 1),
    }


def _show(made: OfflinePlan) -> None:
    show_table(
        ("handler", "method", "path"),
        ((one.name, one.operation.method, one.operation.path) for one in made.create),
    )
    for skipped in made.skipped:
        out.print(f"skipped {skipped.method} {skipped.path}: {skipped.reason}", markup=False)
    for warning in made.warnings:
        out.print(f"warning {warning.pointer or '/'}: {warning.message}", markup=False)
    out.print(
        f"OpenAPI {made.version}: {len(made.create)} handlers, {len(made.skipped)} skipped, "
        f"{len(made.warnings)} warnings; {made.parse_ms + made.plan_ms:.0f} ms, {made.peak_mb:.0f} MB",
        markup=False,
    )
