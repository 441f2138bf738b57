"""``jackfield webhooks``: which schemes there are, why a request was refused. No database, no network."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from typer import BadParameter, Exit, Option, Typer

from app.cli.output import out, show_table
from app.core import clock
from app.core.secret import Secret
from app.handlers.verification import VERIFICATION
from app.signatures.catalogue import schemes as all_schemes
from app.signatures.description import as_markdown, describe
from app.signatures.explanation import Explanation, explain
from app.signatures.presets import Preset
from app.signatures.request import SignedRequest

commands = Typer(help="Verification schemes of webhooks.", no_args_is_help=True, add_completion=False)

REFUSED = 1


@commands.command()
def schemes(
    *,
    as_json: Annotated[bool, Option("--json", help="All that is known of each, as JSON.")] = False,
    markdown: Annotated[bool, Option("--markdown", help="As the table in the documentation.")] = False,
) -> None:
    """List the presets: what a handler's `verification.scheme` may say besides hmac, jwt and the like."""
    presets = all_schemes().values()
    if as_json:
        out.print(json.dumps([describe(preset) for preset in presets], indent=2), markup=False)
    elif markdown:
        out.print(as_markdown(presets), markup=False, end="")
    else:
        show_table(
            ("scheme", "of", "evidence", "handshakes", "parameters", "documentation"),
            (
                (
                    preset.name,
                    preset.title,
                    preset.evidence,
                    str(len(preset.handshakes)),
                    " ".join(preset.parameters),
                    preset.docs,
                )
                for preset in presets
            ),
        )


@commands.command()
def verify(  # noqa: PLR0913 -- a request and what it is verified with
    *,
    scheme: Annotated[
        str, Option(help="As `schemes` lists it, or hmac, ed25519, ecdsa-p256, rsa-sha256, jwt.")
    ],
    secret: Annotated[
        list[str] | None,
        Option(
            help="Repeatable. `-` reads it from standard input, so that no history keeps it.",
            envvar="WEBHOOK_SECRET",
        ),
    ] = None,
    previous_secret: Annotated[
        list[str] | None, Option(help="One that is being replaced; repeatable.")
    ] = None,
    url: Annotated[str, Option(help="The address that was called, query included.")] = "",
    method: Annotated[str, Option(help="How it was called.")] = "POST",
    header: Annotated[list[str] | None, Option(help="`Name: value`; repeatable.")] = None,
    body_file: Annotated[Path, Option(help="The body's bytes.", exists=True, dir_okay=False)],
    now: Annotated[float | None, Option(help="Unix time at which it arrived. Default: now.")] = None,
    param: Annotated[
        list[str] | None, Option(help="`name=value`, as the scheme asks for it; repeatable.")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="The verdict as JSON.")] = False,
) -> None:
    """Tell whether a request is genuine, and why not: exit code 0 or 1."""
    preset = _preset(scheme, param or [])
    request = SignedRequest(
        method.upper(), url, [_header(one) for one in header or []], body_file.read_bytes()
    )
    moment = clock.now().timestamp() if now is None else now
    current, previous = _secrets(secret or []), _secrets(previous_secret or [])
    explanation = explain(preset, request, current, previous, moment)
    _show(explanation, as_json=as_json)
    if not explanation.ok:
        raise Exit(REFUSED)


def _preset(scheme: str, parameters: Sequence[str]) -> Preset:
    definition: dict[str, object] = {"scheme": scheme}
    for one in parameters:
        name, equals, text = one.partition("=")
        if not equals:
            raise BadParameter("must be name=value", param_hint="--param")
        definition[name] = _value(text)
    return VERIFICATION.validate_python(definition).preset()


def _value(text: str) -> object:
    """A list or a number where the text is one in JSON; any other text is taken as it is."""
    if not text.startswith("[") and not text.isdecimal():
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadParameter("must be 'Name: value'", param_hint="--header")
    return name.strip().encode(), value.strip().encode()


def _secrets(texts: Sequence[str]) -> list[Secret]:
    return [Secret(sys.stdin.readline().rstrip("\r\n") if text == "-" else text) for text in texts]


def _show(explanation: Explanation, *, as_json: bool) -> None:
    if as_json:
        out.print(json.dumps(asdict(explanation), indent=2), markup=False)
        return
    out.print("valid" if explanation.ok else f"refused: {explanation.code}", markup=False)
    out.print(explanation.what, markup=False)
    if explanation.read:
        out.print(f"Read from: {', '.join(explanation.read)}", markup=False)
    if explanation.age is not None:
        out.print(f"Signed {explanation.age:.0f} s before it arrived.", markup=False)
    if explanation.message is not None:
        out.print(f"Signed message: {explanation.message}", markup=False)
