"""PayPal: RSA over ids, time and the body's CRC-32, under a certificate that the request names.

https://developer.paypal.com/api/rest/webhooks/rest/#link-verifysignature
"""

import zlib

from cryptography.hazmat.primitives.hashes import SHA256

from app.signatures.certificates import read_certificate
from app.signatures.freshness import check_age
from app.signatures.key_source import KeySource
from app.signatures.keys import decode, rsa_agrees
from app.signatures.presets import Preset
from app.signatures.request import Reading, malformed, parse_source
from app.signatures.timestamps import unix_seconds
from app.signatures.verdict import Match, Reason, Refused

_ID = parse_source("header:PAYPAL-TRANSMISSION-ID")
_TIME = parse_source("header:PAYPAL-TRANSMISSION-TIME")
_SIGNATURE = parse_source("header:PAYPAL-TRANSMISSION-SIG")
_CERTIFICATE = parse_source("header:PAYPAL-CERT-URL")
_ALGORITHM = parse_source("header:PAYPAL-AUTH-ALGO")


def signed_string(transmission_id: str, time: str, webhook_id: str, body: bytes) -> bytes:
    return f"{transmission_id}|{time}|{webhook_id}|{zlib.crc32(body)}".encode("latin-1", "replace")


async def check_paypal(preset: Preset, reading: Reading, now: float, keys: KeySource) -> Match:
    """Raises ``Refused`` and ``SigningKeyUnavailable``."""
    webhook_id = preset.values.get("webhookId")
    if not isinstance(webhook_id, str) or preset.hosts is None:
        raise Refused(Reason.NO_SECRET, "The handler does not say which webhook of PayPal it is.")
    transmission_id, time, text, url, algorithm = (
        reading.only([source]) for source in (_ID, _TIME, _SIGNATURE, _CERTIFICATE, _ALGORITHM)
    )
    signed_at = unix_seconds(time, "rfc3339")
    if signed_at is None:
        raise malformed(_TIME, "holds no timestamp in the form rfc3339")
    if algorithm != "SHA256withRSA":
        raise malformed(_ALGORITHM, "is not SHA256withRSA")
    signature = decode(text, "base64")
    if not signature:
        raise Refused(Reason.BAD_ENCODING, "The signature is not valid base64.")
    certificate = read_certificate(await keys.document(url, preset.hosts), now)
    message = signed_string(transmission_id, time, webhook_id, reading.request.body)
    if not rsa_agrees(certificate.public_key(), message, signature, SHA256):
        raise Refused(Reason.MISMATCH, "The signature belongs to another body, webhook or moment.")
    check_age(preset, signed_at, now)
    return Match(signed_at=signed_at)
