"""What a token endpoint answered, however it put it (RFC 6749, section 5, and what is sent instead). Pure.

An answer is a success when there is an access token where the record says it is, and nothing says otherwise:
neither the status nor the content type is to be relied on.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import orjson

from app.connections.json_paths import decoded, dig
from app.connections.token_errors import Refusal, classify
from app.connectors.oauth2 import OAuth2
from app.core.secret import Secret

LONGEST_TOKEN: Final = 32_768
LONGEST_LIFETIME: Final = timedelta(days=3650)
"""Whatever is said to last longer is taken to last for ever: it is a mistake, or meant so."""
MOST_SCOPES: Final = 256

_DAYS_AND_TIME = re.compile(r"(\d{1,5}):(\d\d):(\d\d)")
_MILLISECONDS_SINCE = 10**11
"""A count since 1970 above this is of milliseconds: in seconds it would be the year 5138."""


class ExpirySource(StrEnum):
    """Who said when the access token ends, the more trusted first."""

    ANSWER = "answer"
    JWT = "jwt"
    CATALOGUE = "catalogue"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tokens:
    access: Secret
    refresh: Secret | None
    """None where the answer has none: then the one that was used stays."""
    expires_at: datetime | None
    expiry_source: ExpirySource
    scopes: tuple[str, ...] | None
    """None where the answer does not say: then they are those that were asked for."""
    kept: Mapping[str, str] = field(repr=False)
    """What the record says is needed later, by the last part of its path."""


def read_answer(oauth: OAuth2, status: int, body: bytes, received_at: datetime) -> Tokens | Refusal:
    """``received_at``: our clock, less the time that the answer took."""
    said = decoded(body)
    found = dig(said, oauth.answer.root) if oauth.answer.root and isinstance(said, Mapping) else said
    fields = found if isinstance(found, Mapping) else {}
    access = token_at(fields, oauth.answer.access_token)
    is_ok = all(dig(said, path) == value for path, value in oauth.answer.ok_when.items())
    if access is None or not is_ok or status >= 400:  # noqa: PLR2004 - RFC 9110, section 15.5
        return classify(oauth, status, said if isinstance(said, Mapping) else {}, body)
    expires_at, source = _expiry(oauth, fields, access, received_at)
    return Tokens(
        access=access,
        refresh=token_at(fields, oauth.answer.refresh_token),
        expires_at=expires_at,
        expiry_source=source,
        scopes=_scopes(oauth, dig(fields, oauth.answer.scope)),
        kept=_kept(oauth, fields, said),
    )


def token_at(fields: Mapping[str, object], path: str) -> Secret | None:
    """A text that can be sent in a header; null, false, nothing and blanks are no tokens."""
    value = dig(fields, path)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
        return None
    return Secret(value) if value.isascii() and value.isprintable() and value.strip() == value else None


def _expiry(
    oauth: OAuth2, fields: Mapping[str, object], access: Secret, received_at: datetime
) -> tuple[datetime | None, ExpirySource]:
    answer = oauth.answer
    if answer.expires_at and (moment := moment_of(dig(fields, answer.expires_at))):
        return _bounded(moment, received_at), ExpirySource.ANSWER
    lifetime = lifetime_of(dig(fields, answer.expires_in), answer.expires_unit)
    if lifetime == 0 and answer.zero_means_never:
        return None, ExpirySource.ANSWER
    if lifetime:
        return _after(received_at, lifetime), ExpirySource.ANSWER
    if moment := _end_of_jwt(access):
        return _bounded(moment, received_at), ExpirySource.JWT
    if answer.default_lifetime_seconds is not None:
        return _after(received_at, answer.default_lifetime_seconds), ExpirySource.CATALOGUE
    return None, ExpirySource.UNKNOWN


def lifetime_of(value: object, unit: str = "seconds") -> float | None:
    """Seconds: a number, a text that is one, or days, hours and minutes."""
    if isinstance(value, str):
        if parts := _DAYS_AND_TIME.fullmatch(value.strip()):
            days, hours, minutes = (int(one) for one in parts.groups())
            return timedelta(days=days, hours=hours, minutes=minutes).total_seconds()
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return value / 1000 if unit == "milliseconds" else float(value)


def moment_of(value: object) -> datetime | None:
    """Seconds or milliseconds since 1970, or ISO 8601; without a zone it is UTC."""
    if isinstance(value, str):
        number = _number(value)
        if number is None:
            return _iso(value)
        value = number
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_SINCE else value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _after(received_at: datetime, seconds: float) -> datetime | None:
    return received_at + timedelta(seconds=seconds) if seconds <= LONGEST_LIFETIME.total_seconds() else None


def _bounded(moment: datetime, received_at: datetime) -> datetime | None:
    return moment if moment - received_at <= LONGEST_LIFETIME else None


def _end_of_jwt(access: Secret) -> datetime | None:
    """``exp`` of a token that happens to be a JSON Web Token (RFC 7519, section 4.1.4). Nobody vouches for
    it: all that follows is that a newer one is asked for in time."""
    parts = access.reveal().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims and signature
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return moment_of(claims.get("exp")) if isinstance(claims, dict) else None


def _scopes(oauth: OAuth2, value: object) -> tuple[str, ...] | None:
    if isinstance(value, list):
        return tuple(one for one in value if isinstance(one, str))[:MOST_SCOPES]
    if not isinstance(value, str) or not value.strip():
        return None
    asked_with = oauth.authorize.scope_separator if oauth.authorize else " "
    separator: str = oauth.answer.scope_separator or asked_with
    pieces = re.split(r"[\s,]+" if separator in {" ", ",", "+"} else re.escape(separator), value.strip())
    return tuple(one for one in pieces if one)[:MOST_SCOPES]


def _kept(oauth: OAuth2, fields: Mapping[str, object], said: object) -> dict[str, str]:
    kept = {}
    for path in oauth.answer.keep:
        value = dig(fields, path)
        value = dig(said, path) if value is None else value
        if isinstance(value, str | int) and not isinstance(value, bool):
            kept[path.rpartition(".")[2]] = str(value)
    return kept
