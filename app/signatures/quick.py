"""The commonest schemes in a few steps: a MAC over body, timestamp and id, in a header of its own.

It says yes where ``verification`` would; where it does not, that has to be asked. It never says no, so what a
refusal is and why stays said in one place. Pure.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from app.core.secret import Secret
from app.signatures.freshness import check_age
from app.signatures.keys import HMACS, PreparedMac, decode, read_key
from app.signatures.messages import Template, Token
from app.signatures.presets import Preset, Signing
from app.signatures.request import MAX_VALUE_BYTES, Source
from app.signatures.timestamps import unix_seconds
from app.signatures.verdict import Refused
from app.signatures.verification import MAX_ELEMENTS, MAX_SECRETS

Unique = Mapping[str, str]
"""The headers of a request in which none was sent twice, by lower-case name; each character is a byte."""


@dataclass(frozen=True, slots=True)
class QuickCheck:
    """For one preset and the secrets of one handler."""

    preset: Preset
    signing: Signing
    template: Template
    header: str
    timestamp_header: str | None
    id_header: str | None
    macs: Sequence[PreparedMac] = field(repr=False)

    @classmethod
    def of(cls, preset: Preset, secrets: Sequence[Secret]) -> Self | None:
        """None for a scheme that takes more."""
        signing = preset.signing
        if signing is None or preset.jwt or preset.named or preset.needs_access_token or preset.needs_keys:
            return None
        digest = HMACS.get(signing.algorithm)
        header = _header(signing.sources)
        has_more = signing.absent or signing.signed_headers or signing.body_digest
        if digest is None or header is None or has_more or len(signing.messages) != 1:
            return None
        timestamp = signing.timestamp
        timestamp_header = None if timestamp is None or timestamp.prefix else _header(timestamp.sources)
        id_header = _header(signing.ids)
        known = {Token.RAW}
        known |= {Token.TIMESTAMP} if timestamp_header is not None else set()
        known |= {Token.ID} if id_header is not None else set()
        if (timestamp is not None and timestamp_header is None) or (signing.ids and id_header is None):
            return None
        if not all(isinstance(part, bytes) or part in known for part in signing.messages[0]):
            return None
        found = (read_key(one.reveal(), signing.key, signing.algorithm) for one in secrets[:MAX_SECRETS])
        macs = [PreparedMac(key, digest) for key in found if isinstance(key, bytes)]
        template = signing.messages[0]
        return cls(preset, signing, template, header, timestamp_header, id_header, macs)

    def accepts(self, headers: Unique, body: bytes, now: float) -> bool:
        """``now``: Unix time."""
        signatures = self._signatures(headers.get(self.header, ""))
        timestamp = "" if self.timestamp_header is None else headers.get(self.timestamp_header, "")
        id = "" if self.id_header is None else headers.get(self.id_header, "")
        if max(len(timestamp), len(id)) > MAX_VALUE_BYTES or (self.id_header is not None and not id):
            return False
        if self.timestamp_header is not None and not self._is_fresh(timestamp, now):
            return False
        message = self._message(body, timestamp, id)
        for mac in self.macs:
            expected = mac.digest(message)
            for signature in signatures:
                if hmac.compare_digest(expected, signature):
                    return True
        return False

    def _signatures(self, text: str) -> list[bytes]:
        signing = self.signing
        if len(text) > MAX_VALUE_BYTES:
            return []
        elements = [text] if signing.separator is None else text.split(signing.separator)
        if len(elements) > MAX_ELEMENTS:
            return []
        length = len(signing.prefix)
        return [
            decoded
            for element in map(str.strip, elements)
            if element.startswith(signing.prefix) and (decoded := decode(element[length:], signing.encoding))
        ]

    def _message(self, body: bytes, timestamp: str, id: str) -> bytes:
        if len(self.template) == 1 and self.template[0] is Token.RAW:
            return body
        pieces: list[bytes] = []
        for part in self.template:
            if isinstance(part, bytes):
                pieces.append(part)
            elif part is Token.RAW:
                pieces.append(body)
            else:
                pieces.append((timestamp if part is Token.TIMESTAMP else id).encode("latin-1"))
        return b"".join(pieces)

    def _is_fresh(self, timestamp: str, now: float) -> bool:
        if self.signing.timestamp is None:
            return False
        signed_at = unix_seconds(timestamp, self.signing.timestamp.unit)
        if signed_at is None:
            return False
        try:
            check_age(self.preset, signed_at, now)
        except Refused:
            return False
        return True


def _header(sources: Sequence[Source]) -> str | None:
    """The lower-case name of the header, if that is the only source."""
    if len(sources) != 1 or sources[0].kind != "header":
        return None
    return sources[0].wire_name.decode("ascii")
