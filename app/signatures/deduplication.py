"""What identifies a delivery: asked only of a request that was verified, for strangers may reserve no key."""

import hashlib
from collections.abc import Mapping, Sequence

from app.signatures.messages import Particulars, Template, render
from app.signatures.presets import Preset
from app.signatures.request import Reading, SignedRequest, Source, parse_source
from app.signatures.verdict import Refused

MAX_DEDUP_KEY = 255

_GENERIC = (parse_source("header:webhook-id"), parse_source("header:idempotency-key"))


def dedup_key(preset: Preset, request: SignedRequest) -> str | None:
    """At most 255 printable characters: what the preset says, else `webhook-id`, else `Idempotency-Key`."""
    reading = Reading(request)
    for template in preset.dedup:
        if found := _filled(template, reading):
            return _bounded(found)
    for source in _GENERIC:
        if found := (reading.find(source) or "").strip():
            return _bounded(found)
    return None


def delivery_headers(preset: Preset) -> Sequence[str] | None:
    """The headers (in lower case) of which the first that is there identifies a delivery; None where it takes
    more."""
    names: list[Source] = []
    for template in preset.dedup:
        if len(template) != 1 or not isinstance(template[0], Source) or template[0].kind != "header":
            return None
        names.append(template[0])
    return [source.wire_name.decode("ascii") for source in (*names, *_GENERIC)]


def delivery_key(names: Sequence[str], headers: Mapping[str, str]) -> str | None:
    """``dedup_key`` by ``delivery_headers``, of a request in which no header was sent twice."""
    for name in names:
        value = headers.get(name)
        if value and (key := value.strip()):
            return _bounded(key)
    return None


def _filled(template: Template, reading: Reading) -> str | None:
    """None when a part of the request that it names is not there."""
    try:
        texts = [
            (reading.find(part) or "").strip()
            if isinstance(part, Source)
            else render((part,), reading, Particulars()).decode()
            for part in template
        ]
    except Refused:
        return None
    return "".join(texts) if all(texts) else None


def _bounded(key: str) -> str:
    """A key that is long, or that a text column could not hold, is replaced by its digest."""
    if len(key) <= MAX_DEDUP_KEY and key.isprintable():
        return key
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
