"""Answers the questions that senders ask of an address before they send to it.

Ask twice: before the request is verified, with ``is_verified=False``, for what is asked without a signature;
and after it was, for what is asked with one. So an unsigned request never gets the answer to a signed one.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from app.core.secret import Secret
from app.signatures.key_source import host_of
from app.signatures.keys import encode, mac, read_key
from app.signatures.messages import Mac, Template
from app.signatures.presets import Handshake, Preset
from app.signatures.request import MAX_VALUE_BYTES, Reading, SignedRequest, Source
from app.signatures.verdict import Refused

FORBIDDEN = 403
MAX_ECHO = MAX_VALUE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeAnswer:
    """What to answer; nothing is executed and nothing is deduplicated.

    ``store``: becomes the handler's secret, before the answer is sent. ``confirm_url``: has to be fetched
    with GET through the guarded client, without redirects; its host is an allowed one. ``title`` names the
    question.
    """

    title: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    store: Secret | None = None
    confirm_url: str | None = field(default=None, repr=False)


class _NotAsked(Exception):
    """The request lacks what the answer is made of: then it is an ordinary delivery."""


def answer(
    preset: Preset,
    request: SignedRequest,
    secrets: Sequence[Secret],
    *,
    is_verified: bool,
    verify_tokens: Sequence[Secret] = (),
) -> HandshakeAnswer | None:
    """None when the request is an ordinary delivery.

    ``verify_tokens``: the secret ``preset.verify_token_key``, and the one it replaces, where there is one.
    """
    reading = Reading(request)
    for handshake in preset.handshakes:
        if handshake.is_signed is not is_verified or request.method not in handshake.methods:
            continue
        try:
            return _answered(preset, handshake, reading, secrets, verify_tokens)
        except (_NotAsked, Refused):
            continue
    return None


def _answered(
    preset: Preset,
    handshake: Handshake,
    reading: Reading,
    secrets: Sequence[Secret],
    verify_tokens: Sequence[Secret],
) -> HandshakeAnswer:
    for source, expected in handshake.when.items():
        found = _shown(reading, source)
        if expected not in ("*", found):
            raise _NotAsked
    if handshake.verify_token and not _is_agreed(_shown(reading, handshake.verify_token), verify_tokens):
        return HandshakeAnswer(title=handshake.title, status=FORBIDDEN, headers={}, body=b"")
    if handshake.store and secrets:
        # Only who comes first may give the handler its secret: nobody may exchange it.
        raise _NotAsked
    filler = _Filler(preset, reading, secrets)
    content_type, body = _body(handshake, filler)
    headers = {name.lower(): filler.header(text) for name, text in handshake.headers.items()}
    # What strangers sent is sent back: no browser may take it for a page.
    guarded = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'"}
    return HandshakeAnswer(
        title=handshake.title,
        status=handshake.status,
        headers={"content-type": content_type, **guarded, **headers},
        body=body,
        store=Secret(_shown(reading, handshake.store)) if handshake.store else None,
        confirm_url=_confirmed(preset, reading, handshake.confirm) if handshake.confirm else None,
    )


def _shown(reading: Reading, source: Source) -> str:
    values = reading.values(source)
    if len(values) != 1 or not 0 < len(values[0]) <= MAX_ECHO:
        raise _NotAsked
    return values[0]


def _is_agreed(shown: str, tokens: Sequence[Secret]) -> bool:
    sent = shown.encode("utf-8", "surrogatepass")
    return any(hmac.compare_digest(sent, token.reveal().encode()) for token in tokens if token.reveal())


def _confirmed(preset: Preset, reading: Reading, source: Source) -> str:
    url = _shown(reading, source)
    host = host_of(url)
    if host is None or preset.hosts is None or not preset.hosts.fullmatch(host):
        raise _NotAsked
    return url


def _body(handshake: Handshake, filler: "_Filler") -> tuple[str, bytes]:
    if handshake.json is not None:
        return "application/json", orjson.dumps(filler.json(handshake.json))
    text = "" if handshake.text is None else filler.text(handshake.text)
    return "text/plain; charset=utf-8", text.encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills the templates of an answer."""

    preset: Preset
    reading: Reading
    secrets: Sequence[Secret]

    def text(self, template: Template) -> str:
        return "".join(self._part(part) for part in template)

    def header(self, template: Template) -> str:
        text = self.text(template)
        if not (text.isascii() and text.isprintable()):
            raise _NotAsked
        return text

    def json(self, value: object) -> object:
        if isinstance(value, tuple):
            return self.text(value).encode("utf-8", "replace").decode()
        if isinstance(value, dict):
            return {key: self.json(one) for key, one in value.items()}
        return value

    def _part(self, part: object) -> str:
        if isinstance(part, Mac):
            return self._mac(_shown(self.reading, part.of))
        if isinstance(part, Source):
            return _shown(self.reading, part)
        return part.decode() if isinstance(part, bytes) else ""

    def _mac(self, text: str) -> str:
        signing = self.preset.signing
        if signing is None or not self.secrets:
            raise _NotAsked
        key = read_key(self.secrets[0].reveal(), signing.key, signing.algorithm)
        if not isinstance(key, bytes):
            raise _NotAsked
        return encode(mac(signing.algorithm, key, text.encode("utf-8", "replace")), signing.encoding)
