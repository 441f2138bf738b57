"""What a preset tells people: for the list of schemes and the page in the documentation."""

from collections.abc import Iterable, Mapping

from app.signatures.presets import Preset


def describe(preset: Preset) -> Mapping[str, object]:
    """camelCase, as JSON shows it. ``toleranceSeconds``: None where no moment is signed."""
    return {
        "scheme": preset.name,
        "title": preset.title,
        "docs": preset.docs,
        "evidence": preset.evidence,
        "note": preset.note,
        "isGeneric": preset.is_generic,
        "readFrom": _places(preset),
        "algorithm": _algorithm(preset),
        "toleranceSeconds": preset.tolerance if _signs_time(preset) else None,
        "needsSecret": preset.needs_secret,
        "fetchesKeys": preset.needs_keys,
        "parameters": {
            **({"url": {"about": "The address under which the sender knows it.", "required": False}}
               if preset.takes_url else {}),
            **{
                name: {"about": parameter.about, "required": parameter.required, "default": parameter.default}
                for name, parameter in preset.parameters.items()
            },
        },
        "handshakes": [
            {"title": handshake.title, "methods": [*handshake.methods], "isSigned": handshake.is_signed}
            for handshake in preset.handshakes
        ],
        "deduplicates": bool(preset.dedup),
    }  # fmt: skip


def as_markdown(presets: Iterable[Preset]) -> str:
    """A table, one line a scheme."""
    lines = [
        "| scheme | of | read from | algorithm | tolerance | also needs | handshakes | evidence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for preset in presets:
        tolerance = f"{preset.tolerance} s" if _signs_time(preset) else ""
        needed = [f"`{name}`" for name, one in preset.parameters.items() if one.required]
        asked = dict.fromkeys(handshake.title for handshake in preset.handshakes)
        read = _places(preset)
        cells = (
            f"`{preset.name}`",
            f"[{preset.title}]({preset.docs})",
            "; ".join(read[:2]) + ("; …" if read[2:] else ""),
            _algorithm(preset),
            tolerance,
            ", ".join(needed),
            ", ".join(asked),
            preset.evidence,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _places(preset: Preset) -> list[str]:
    if preset.named == "sns":
        return ["/Signature of the JSON body"]
    if preset.named == "paypal":
        return ["the header PAYPAL-TRANSMISSION-SIG"]
    rules = [part for part in (preset.signing, preset.jwt) if part is not None]
    return [str(source) for part in rules for source in part.sources]


def _algorithm(preset: Preset) -> str:
    if preset.named is not None:
        return "RSA, X.509"
    used: list[str] = [preset.signing.algorithm] if preset.signing is not None else []
    if preset.jwt is not None:
        families = dict.fromkeys(name.rstrip("0123456789") for name in preset.jwt.algorithms)
        used.append(f"jwt {'/'.join(families)}")
    return " and ".join(used)


def _signs_time(preset: Preset) -> bool:
    return (
        preset.named is not None
        or (preset.signing is not None and preset.signing.timestamp is not None)
        or (preset.jwt is not None and preset.jwt.needs_issue_time)
    )
