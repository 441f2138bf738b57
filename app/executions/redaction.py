"""Takes secrets out of what is kept of a call: addresses, headers and bodies, our own and the upstream's.

An upstream that echoes a request echoes its secrets in some other spelling, so a value is looked for as it
is, in base64, percent-encoded and as a JSON string. A value of fewer than four characters is not looked
for: it would be found all over a text, and the gaps would give it away; keep such values in headers that
are sensitive by name.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final
from urllib.parse import quote, quote_plus

from app.core.secret import Secret

MARK = "[redacted]"
MIN_LENGTH = 4
MAX_REDACTORS: Final = 16
SENSITIVE_HEADERS = frozenset(
    {
        "api-key",
        "apikey",
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-access-token",
        "x-api-key",
        "x-auth-token",
    }
)
"""Lower-case names of headers whose values are never kept."""


class Redactor:
    """Redact before cutting a text short: half a secret is not recognised any more."""

    def __init__(self, secrets: Iterable[Secret], sensitive_headers: Collection[str] = ()) -> None:
        values = {secret.reveal() for secret in secrets}
        self._needles = sorted(
            {form for value in values if len(value) >= MIN_LENGTH for form in _forms(value)}
        )
        self._sensitive = SENSITIVE_HEADERS
        if sensitive_headers:
            self._sensitive |= {name.lower() for name in sensitive_headers}

    def __repr__(self) -> str:
        return f"Redactor({len(self._needles)} forms)"

    def body(self, body: bytes) -> bytes:
        if not self._needles:
            return body
        spans = _merged(sorted(span for needle in self._needles for span in _occurrences(needle, body)))
        if not spans:
            return body
        kept = [body[end:start] for (_, end), (start, _) in zip([(0, 0), *spans], spans, strict=False)]
        return MARK.encode().join([*kept, body[spans[-1][1] :]])

    def text(self, text: str) -> str:
        if not self._needles:
            return text
        return self.body(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def headers(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [
            (name, MARK if name.lower() in self._sensitive else self.text(value)) for name, value in headers
        ]


class Redactors:
    """A redactor for each set of secrets that calls use, made once where these outlive the call.

    ``kept``: secrets that live as long as this does. They are told apart by identity and not by their values,
    which are never to be the keys of anything.
    """

    def __init__(self, kept: Iterable[Secret] = ()) -> None:
        self._kept = [*kept]
        self._ids = frozenset(map(id, self._kept))
        self._made: dict[frozenset[int], Redactor] = {}

    def of(self, secrets: Sequence[Secret]) -> Redactor:
        if not secrets:
            return _NOTHING
        ids = frozenset(map(id, secrets))
        made = self._made.get(ids)
        if made is None:
            made = Redactor(secrets)
            if ids <= self._ids and len(self._made) < MAX_REDACTORS:
                self._made[ids] = made
        return made


_NOTHING: Final = Redactor(())


def _forms(value: str) -> set[bytes]:
    """Every spelling of a value that is looked for."""
    raw = value.encode()
    base64s = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    percents = {quote(value, safe=""), quote(value, safe="/"), quote_plus(value)}
    escapes = {json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    forms = {
        value,
        *base64s,
        *(form.rstrip("=") for form in base64s),
        *percents,
        *(re.sub(r"%..", lambda match: match[0].lower(), form) for form in percents),
        *escapes,
        *(form.replace("/", r"\/") for form in escapes),
        *(_html_safe(form) for form in escapes),
    }
    return {form.encode() for form in forms}


def _html_safe(escaped: str) -> str:
    """What Go and others make of a JSON string, so that it may stand inside HTML."""
    return escaped.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _occurrences(needle: bytes, body: bytes) -> Iterable[tuple[int, int]]:
    start = body.find(needle)
    while start >= 0:
        yield start, start + len(needle)
        start = body.find(needle, start + 1)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans, those that touch or overlap made one: two secrets may share characters."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
