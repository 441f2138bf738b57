"""Amazon SNS: RSA over chosen fields of the body, under a certificate that the body names.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from app.signatures.certificates import read_certificate
from app.signatures.freshness import check_age
from app.signatures.key_source import KeySource
from app.signatures.keys import decode, rsa_agrees
from app.signatures.presets import Preset
from app.signatures.request import Reading
from app.signatures.timestamps import unix_seconds
from app.signatures.verdict import Match, Reason, Refused

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Mapping[str, Sequence[str]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_OPTIONAL = frozenset({"Subject"})
_DIGESTS: Mapping[str, type[SHA1 | SHA256]] = {"1": SHA1, "2": SHA256}


def canonical(fields: Mapping[str, str]) -> bytes:
    """Raises ``Refused`` when a field that is signed is not there."""
    lines: list[str] = []
    for name in _SIGNED[_given(fields, "Type")]:
        if name in _OPTIONAL and name not in fields:
            continue
        lines += (name, _given(fields, name))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


async def check_sns(preset: Preset, reading: Reading, now: float, keys: KeySource) -> Match:
    """Raises ``Refused``, ``SigningKeyUnavailable``. Anybody can make a topic: it has to be one of ours."""
    fields = _fields(reading.json)
    topics = preset.values.get("topicArns")
    if not isinstance(topics, list | tuple) or not topics or preset.hosts is None:
        raise Refused(Reason.NO_SECRET, "The handler does not say which topics it expects.")
    digest = _DIGESTS.get(_given(fields, "SignatureVersion"))
    signed_at = unix_seconds(_given(fields, "Timestamp"), "rfc3339")
    url = _given(fields, "SigningCertURL")
    if _given(fields, "Type") not in _SIGNED or digest is None or signed_at is None:
        raise Refused(Reason.MALFORMED, "The type, the version of the signature or the timestamp is unknown.")
    if not url.partition("?")[0].endswith(".pem"):
        raise Refused(Reason.MALFORMED, "The request names a key at an address that is not allowed.")
    signature = decode(_given(fields, "Signature"), "base64")
    if not signature:
        raise Refused(Reason.BAD_ENCODING, "The signature is not valid base64.")
    message = canonical(fields)
    if _given(fields, "TopicArn") not in topics:
        raise Refused(Reason.MISMATCH, "The topic is none that the handler expects.")
    certificate = read_certificate(await keys.document(url, preset.hosts), now)
    if not rsa_agrees(certificate.public_key(), message, signature, digest):
        raise Refused(Reason.MISMATCH, "The signature belongs to another message.")
    check_age(preset, signed_at, now)
    return Match(signed_at=signed_at)


def _fields(body: object) -> Mapping[str, str]:
    if not isinstance(body, dict):
        raise Refused(Reason.MALFORMED, "The body is no JSON object.")
    return {name: value for name, value in body.items() if isinstance(value, str)}


def _given(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise Refused(Reason.MISSING_HEADER, f"/{name} of the JSON body was not sent, or is empty.")
    return fields[name]
