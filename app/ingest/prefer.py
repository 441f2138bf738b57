"""The ``Prefer`` header (RFC 7240): whether a sender waits for the upstream, and how long. Pure."""

import re
from dataclasses import dataclass

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,6})\"?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preference:
    """``wait_s`` is None without a ``wait``."""

    wait_s: float | None = None
    respond_async: bool = False


def parse(value: str) -> Preference:
    """Preferences that are not known, or not of their form, are ignored (RFC 7240, section 2)."""
    wait_s, respond_async = None, False
    for preference in value.split(","):
        name = preference.partition(";")[0].strip()
        if name.lower() == "respond-async":
            respond_async = True
        elif wait_s is None and (match := _WAIT.fullmatch(name.lower())):
            wait_s = float(match[1])
    return Preference(wait_s, respond_async)
