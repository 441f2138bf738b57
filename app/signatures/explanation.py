"""Why a request was accepted or refused, in words; never with a secret, never with the right signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.secret import Secret
from app.signatures.key_source import KeySource
from app.signatures.presets import Preset
from app.signatures.request import Reading, SignedRequest
from app.signatures.verdict import Match, Reason, Refused
from app.signatures.verification import as_signed, check, check_with_keys, signed_messages

MAX_PREVIEW_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """``code``: None for an accepted request. ``what``: one sentence. ``read``: the places in which the
    scheme looked for a signature. ``matched``: which secret made it. ``age``: seconds since it was signed,
    negative for the future; None where no moment is signed, or the signature is wrong. ``message``: the
    beginning of what the sender had to sign, None where nothing is put together."""

    ok: bool
    code: Reason | None
    what: str
    read: tuple[str, ...]
    matched: Literal["current", "previous"] | None = None
    age: float | None = None
    message: str | None = None


def explain(
    preset: Preset,
    request: SignedRequest,
    secrets: Sequence[Secret],
    previous: Sequence[Secret],
    now: float,
) -> Explanation:
    """For a preset that takes no keys from the network; of one that does it tells no more than that."""
    reading = Reading(as_signed(preset, request))
    try:
        match = check(preset, reading, [*secrets, *previous], now)
    except Refused as refused:
        return _refused(preset, reading, refused)
    return _accepted(preset, reading, match, len(secrets), now)


async def explain_with_keys(
    preset: Preset,
    request: SignedRequest,
    secrets: Sequence[Secret],
    previous: Sequence[Secret],
    now: float,
    *,
    keys: KeySource,
) -> Explanation:
    """``explain`` for any preset. Raises ``SigningKeyUnavailable``; no database transaction may be open."""
    reading = Reading(as_signed(preset, request))
    try:
        match = await check_with_keys(preset, reading, [*secrets, *previous], now, keys)
    except Refused as refused:
        return _refused(preset, reading, refused)
    return _accepted(preset, reading, match, len(secrets), now)


def _accepted(preset: Preset, reading: Reading, match: Match, current: int, now: float) -> Explanation:
    matched: Literal["current", "previous"] | None = None
    if match.secret is not None:
        matched = "current" if match.secret < current else "previous"
    what = {
        None: "The request is accepted.",
        "current": "The request is accepted.",
        "previous": "The request is accepted; it was signed with the previous secret.",
    }[matched]
    return Explanation(
        ok=True,
        code=None,
        what=what,
        read=_places(preset),
        matched=matched,
        age=None if match.signed_at is None else now - match.signed_at,
        message=_preview(preset, reading),
    )


def _refused(preset: Preset, reading: Reading, refused: Refused) -> Explanation:
    return Explanation(
        ok=False,
        code=refused.reason,
        what=refused.what,
        read=_places(preset),
        message=_preview(preset, reading),
    )


def _places(preset: Preset) -> tuple[str, ...]:
    rules = [part for part in (preset.signing, preset.jwt) if part is not None]
    return tuple(str(source) for part in rules for source in part.sources)


def _preview(preset: Preset, reading: Reading) -> str | None:
    try:
        messages = signed_messages(preset, reading, b"[secret]")
    except Refused:
        return None
    if not messages:
        return None
    shown = messages[0][:MAX_PREVIEW_BYTES].decode("utf-8", "backslashreplace")
    return shown if len(messages[0]) <= MAX_PREVIEW_BYTES else f"{shown}…"
