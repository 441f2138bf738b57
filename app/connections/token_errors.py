"""What an error of a token endpoint means for the connection. Pure.

First the record's own rules, then what the specifications and the habits of providers have in common
(RFC 6749, section 5.2; RFC 8628, section 3.5; OpenID Connect Core 1.0, section 3.1.2.6).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.connections.json_paths import dig
from app.connectors.oauth2 import ErrorClass, ErrorRule, OAuth2

LONGEST = 200

_TOO_MANY = 429
_UNAUTHORIZED = 401
_TRANSIENT_STATUSES = frozenset({408, 425})
_SERVER_ERROR = 500
_ERROR = 400

_BY_CODE = {
    ErrorClass.GRANT_DEAD: (
        "invalid_grant",
        "bad_refresh_token",
        "invalid_refresh_token",
        "expired_token",
        "token_expired",
        "token_revoked",
        "access_denied",
    ),
    ErrorClass.INTERACTION_REQUIRED: (
        "interaction_required",
        "consent_required",
        "login_required",
        "account_selection_required",
        "mfa_required",
    ),
    ErrorClass.CLIENT_BAD: ("invalid_client", "unauthorized_client", "client_disabled"),
    ErrorClass.RATE_LIMITED: ("slow_down", "rate_limited", "too_many_requests"),
    ErrorClass.TRANSIENT: ("temporarily_unavailable", "server_error", "service_unavailable"),
}
_CODES = {code: means for means, codes in _BY_CODE.items() for code in codes}
_SPACES = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """``is_answer``: it came with the status of a success, but without tokens. ``code`` and ``description``
    are the provider's own words, cut short; redact them before they are kept."""

    means: ErrorClass
    status: int
    code: str | None = None
    description: str | None = None
    is_answer: bool = False


def classify(oauth: OAuth2, status: int, fields: Mapping[str, object], body: bytes) -> Refusal:
    """``fields``: what was decoded of the ``body``."""
    code = _text(dig(fields, oauth.answer.error)) or _code_elsewhere(fields)
    description = _text(dig(fields, oauth.answer.error_description)) or _text(fields.get("message"))
    text = description or body[:4096].decode(errors="replace")
    means = next(
        (rule.means for rule in oauth.errors if _applies(rule, status, code, text)),
        None,
    ) or _usual(status, code, text)
    return Refusal(
        means,
        status,
        code[:LONGEST] if code else None,
        description[:LONGEST] if description else None,
        is_answer=status < _ERROR,
    )


def _applies(rule: ErrorRule, status: int, code: str | None, text: str) -> bool:
    return (
        rule.status in {None, status}
        and (not rule.error or code in rule.error)
        and (rule.contains is None or rule.contains.lower() in text.lower())
    )


def _usual(status: int, code: str | None, text: str) -> ErrorClass:
    if status == _TOO_MANY or "too many requests" in text.lower():
        return ErrorClass.RATE_LIMITED
    known = _CODES.get(_SPACES.sub("_", code.strip().lower())) if code else None
    if known is not None:
        return known
    if status in _TRANSIENT_STATUSES or status >= _SERVER_ERROR:
        return ErrorClass.TRANSIENT
    if status == _UNAUTHORIZED and code is None:
        return ErrorClass.CLIENT_BAD
    return ErrorClass.REQUEST_BAD


def _code_elsewhere(fields: Mapping[str, object]) -> str | None:
    """Fitbit has a list of errors, Facebook an object, others a code or a status."""
    error = fields.get("error")
    several = fields.get("errors")
    places = (
        error if isinstance(error, Mapping) else None,
        several[0] if isinstance(several, list) and several else None,
        fields,
    )
    for place in places:
        if isinstance(place, Mapping):
            for name in ("errorType", "type", "code", "error_code", "status"):
                if found := _text(place.get(name)):
                    return found
    return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
