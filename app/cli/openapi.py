"""``jackfield openapi``: our own description, and plans for those of others. No database."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Exit, Option, Typer

from app.cli.output import complain, out, show_table
from app.core import settings as configuration
from app.core.egress.fetch import FetchClient
from app.core.egress.policy import EgressPolicy
from app.openapi_sync.differences import differences
from app.openapi_sync.document import read
from app.openapi_sync.fetching import fetch_document
from app.openapi_sync.offline import OfflinePlan, plan_offline

commands = Typer(
    help="The description of this API, and plans for others.", no_args_is_help=True, add_completion=False
)

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
    source: Annotated[str, Argument(metavar="FILE|URL", help="An OpenAPI document, JSON or YAML.")],
    *,
    name: Annotated[str, Option(help="The integration's name, which handler names do not repeat.")] = "",
    as_json: Annotated[bool, Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Tell which handlers a first sync would make of a document, and what it passes over and why."""
    made = plan_offline(load(source), name)
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
    before, after = read(load(old)), read(load(new))
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


def load(source: str) -> bytes:
    """A file, or what an address answers within the settings' limit and egress policy."""
    if not source.startswith(("http://", "https://")):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise BadParameter(f"{source}: {error.strerror}") from error
    settings = configuration.load()
    return asyncio.run(_fetch(source, EgressPolicy(settings.egress_allow), settings.document_limit))


async def _fetch(url: str, policy: EgressPolicy, limit: int) -> bytes:
    async with FetchClient(policy) as client:
        return (await fetch_document(client, url, None, max_bytes=limit)).body


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
