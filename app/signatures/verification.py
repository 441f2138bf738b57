"""Decides whether a webhook was sent by who holds the secret. Pure: no clock, no database, no parsing before.

What every scheme has in common, learnt from other products' defects:

- the bytes that were sent are verified, never a body that was parsed and written again;
- a missing header is a refusal, exactly like a wrong one; so is a header that was sent twice;
- decoded bytes are compared, in constant time;
- the timestamp is looked at after the signature matches, in both directions, and only if it is signed.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace

from app.core.secret import Secret
from app.signatures.freshness import check_age
from app.signatures.jwt import check_token, check_token_with_keys
from app.signatures.key_source import KeySource
from app.signatures.keys import PUBLIC_KEY_ALGORITHMS, Key, agrees, decode, read_key
from app.signatures.messages import Particulars, listed_headers, render
from app.signatures.paypal import check_paypal
from app.signatures.presets import Preset, Signing
from app.signatures.request import MAX_VALUES, Reading, SignedRequest, malformed, missing, single
from app.signatures.sns import check_sns
from app.signatures.timestamps import unix_seconds
from app.signatures.verdict import Match, Reason, Refused, Verdict

MAX_ELEMENTS = MAX_VALUES
MAX_SECRETS = 16
MAX_PUBLIC_KEY_CHECKS = 32
"""Of one request: each costs a tenth of a millisecond, and whoever sends it need not be known."""

ACCEPTED = Verdict(ok=True)


def verify(preset: Preset, request: SignedRequest, secrets: Sequence[Secret], now: float) -> Verdict:
    """Whether one of the secrets signed the request; `now` is Unix time in seconds.

    A preset that asks for an access token is refused here: ``app.auth`` accepts those, and who forgets to ask
    lets nobody in. So is one that ``needs_keys``.
    """
    try:
        check(preset, Reading(as_signed(preset, request)), secrets, now)
    except Refused as refused:
        return Verdict(ok=False, reason=refused.reason)
    return ACCEPTED


async def verify_with_keys(
    preset: Preset, request: SignedRequest, secrets: Sequence[Secret], now: float, keys: KeySource
) -> Verdict:
    """``verify`` for any preset: for those that ``needs_keys``, keys are asked for first.

    Raises ``SigningKeyUnavailable`` when they cannot be had right now; no database transaction may be open.
    """
    try:
        await check_with_keys(preset, Reading(as_signed(preset, request)), secrets, now, keys)
    except Refused as refused:
        return Verdict(ok=False, reason=refused.reason)
    return ACCEPTED


def check(preset: Preset, reading: Reading, secrets: Sequence[Secret], now: float) -> Match:
    """Raises ``Refused``."""
    if preset.needs_access_token:
        raise Refused(Reason.MISSING_HEADER, "This scheme asks for an access token.")
    if preset.needs_keys:
        raise Refused(Reason.NO_SECRET, "This scheme takes keys from the network.")
    match = Match()
    if preset.signing is not None:
        match = _check_signing(preset, preset.signing, reading, secrets, now)
    if preset.jwt is not None:
        match = check_token(preset, preset.jwt, reading, secrets, now)
    return match


async def check_with_keys(
    preset: Preset, reading: Reading, secrets: Sequence[Secret], now: float, keys: KeySource
) -> Match:
    """Raises ``Refused`` and ``SigningKeyUnavailable``."""
    if not preset.needs_keys:
        return check(preset, reading, secrets, now)
    match = Match()
    # What needs no network comes first: strangers make us fetch as little as possible.
    if preset.signing is not None:
        match = _check_signing(preset, preset.signing, reading, secrets, now)
    if preset.jwt is not None:
        match = await check_token_with_keys(preset, preset.jwt, reading, now, keys)
    match preset.named:
        case "paypal":
            return await check_paypal(preset, reading, now, keys)
        case "sns":
            return await check_sns(preset, reading, now, keys)
    return match


def as_signed(preset: Preset, request: SignedRequest) -> SignedRequest:
    """With the address under which the sender knows us, if the handler says so.

    What it does not say of the query is taken from the request: senders add parameters to the address.
    """
    url = preset.values.get("url")
    if not isinstance(url, str):
        return request
    _, mark, query = request.url.partition("?")
    return replace(request, url=url if "?" in url else f"{url}{mark}{query}")


def signed_messages(preset: Preset, reading: Reading, secret: bytes) -> Sequence[bytes]:
    """What may have been signed, in the order in which it is tried. Raises ``Refused``."""
    signing = preset.signing
    if signing is None or signing.algorithm == "token":
        return ()
    timestamp = _timestamp_text(signing, reading)
    return _messages(signing, reading, _particulars(signing, reading, timestamp), secret)


def _check_signing(
    preset: Preset, signing: Signing, reading: Reading, secrets: Sequence[Secret], now: float
) -> Match:
    for source in signing.absent:
        if reading.values(source):
            raise malformed(source, "is covered by no signature")
    signatures = _signatures(signing, reading)
    if signing.algorithm in PUBLIC_KEY_ALGORITHMS:
        keys = min(len(secrets), MAX_SECRETS)
        signatures = signatures[: max(1, MAX_PUBLIC_KEY_CHECKS // (max(1, keys) * len(signing.messages)))]
    timestamp = _timestamp_text(signing, reading)
    signed_at = _signed_at(signing, timestamp)
    particulars = _particulars(signing, reading, timestamp)
    position = _signer(signing, reading, particulars, signatures, secrets)
    if signed_at is not None:
        check_age(preset, signed_at, now)
    return Match(secret=position, signed_at=signed_at)


def _signer(
    signing: Signing,
    reading: Reading,
    particulars: Particulars,
    signatures: Sequence[bytes],
    secrets: Sequence[Secret],
) -> int:
    """The position of the secret that one of the signatures was made with; all of them, where each counts."""
    holds_secret = signing.holds_secret
    messages = _messages(signing, reading, particulars, b"") if not holds_secret else ()
    groups = [[one] for one in signatures] if signing.sources[0].is_every else [signatures]
    has_key = False
    for position, secret in enumerate(secrets[:MAX_SECRETS]):
        text = secret.reveal()
        key = read_key(text, signing.key, signing.algorithm)
        if key is None:
            continue
        has_key = True
        if holds_secret:
            messages = _messages(signing, reading, particulars, text.encode())
        if _made(signing, key, messages, groups):
            return position
    if not has_key:
        raise Refused(Reason.NO_SECRET, "There is no secret, or none that this scheme could use as a key.")
    raise Refused(
        Reason.MISMATCH,
        "What was sent is not the secret."
        if signing.algorithm == "token"
        else "The signature belongs to another body, address, moment or secret.",
    )


def _made(signing: Signing, key: Key, messages: Sequence[bytes], groups: Sequence[Sequence[bytes]]) -> bool:
    """Whether the key made a signature of each group over one of the messages."""
    if len(messages) == len(groups) == 1:
        return agrees(signing.algorithm, key, messages[0], groups[0])
    return all(
        any(agrees(signing.algorithm, key, message, group) for message in messages) for group in groups
    )


def _messages(signing: Signing, reading: Reading, particulars: Particulars, secret: bytes) -> Sequence[bytes]:
    """The alternatives that the request has the parts of. Raises ``Refused`` when there is none."""
    if signing.algorithm == "token":
        return (b"",)
    if len(signing.messages) == 1:
        return (render(signing.messages[0], reading, particulars, secret),)
    found: list[bytes] = []
    failure: Refused | None = None
    for template in signing.messages:
        try:
            found.append(render(template, reading, particulars, secret))
        except Refused as refused:
            failure = failure or refused
    if not found and failure is not None:
        raise failure
    return found


def _signatures(signing: Signing, reading: Reading) -> list[bytes]:
    elements = _candidates(signing, reading)
    if not elements:
        raise malformed(signing.sources[0], f"holds nothing that starts with {signing.prefix!r}")
    decoded = [value for element in elements if (value := decode(element, signing.encoding))]
    if not decoded or (len(decoded) < len(elements) and signing.sources[0].is_every):
        raise Refused(Reason.BAD_ENCODING, f"The signature is not valid {signing.encoding}.")
    return decoded


def _candidates(signing: Signing, reading: Reading) -> list[str]:
    found: list[str] = []
    is_there = False
    for source in signing.sources:
        values = reading.values(source)
        if not values:
            continue
        is_there = True
        if source.is_every:
            if len(values) > MAX_ELEMENTS:
                raise malformed(source, f"names more than {MAX_ELEMENTS} values")
            found += values
            continue
        found += _elements(single(source, values), signing.separator, signing.prefix, signing)
    if not is_there:
        raise missing(signing.sources)
    return found[:MAX_ELEMENTS]


def _elements(text: str, separator: str | None, prefix: str, signing: Signing) -> list[str]:
    """The elements that start with the prefix, without it."""
    elements = [text] if separator is None else text.split(separator, MAX_ELEMENTS)
    if len(elements) > MAX_ELEMENTS:
        raise malformed(signing.sources[0], f"lists more than {MAX_ELEMENTS} elements")
    # The name of an authentication scheme may be written in any case.
    folded = prefix.lower() if prefix.endswith(" ") else None
    length = len(prefix)
    return [
        element[length:]
        for element in map(str.strip, elements)
        if element.startswith(prefix) or (folded is not None and element[:length].lower() == folded)
    ]


def _particulars(signing: Signing, reading: Reading, timestamp: str) -> Particulars:
    if signing.signed_headers is not None and signing.timestamp is not None:
        listed = listed_headers(reading, signing.signed_headers)
        if signing.timestamp.sources[0].name.lower() not in listed:
            raise malformed(signing.signed_headers, f"leaves out {signing.timestamp.sources[0].name}")
    return Particulars(
        timestamp=timestamp,
        id=reading.only(signing.ids) if signing.ids else "",
        signed_headers=signing.signed_headers,
        is_digest_sent=signing.body_digest is not None and _vouches(signing, reading),
    )


def _vouches(signing: Signing, reading: Reading) -> bool:
    """Whether the request holds a digest of its body. Raises ``Refused`` for a wrong one."""
    source = signing.body_digest
    if source is None or not reading.values(source):
        return False
    sent = decode(reading.only((source,)), "hex")
    if not hmac.compare_digest(sent or b"", hashlib.sha256(reading.request.body).digest()):
        raise Refused(Reason.MISMATCH, "The digest of the body belongs to another body.")
    return True


def _timestamp_text(signing: Signing, reading: Reading) -> str:
    source = signing.timestamp
    if source is None:
        return ""
    text = reading.only(source.sources)
    if not source.prefix:
        return text
    elements = _elements(text, signing.separator, source.prefix, signing)
    if len(elements) != 1:
        raise malformed(source.sources[0], f"has to hold {source.prefix!r} exactly once")
    return elements[0]


def _signed_at(signing: Signing, text: str) -> float | None:
    if signing.timestamp is None:
        return None
    moment = unix_seconds(text, signing.timestamp.unit)
    if moment is None:
        raise malformed(
            signing.timestamp.sources[0], f"holds no timestamp in the form {signing.timestamp.unit}"
        )
    return moment
