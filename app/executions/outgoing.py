"""What goes into building a request, and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Values:
    """What the integration keeps, by key."""

    credentials: Mapping[str, Secret] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One call of a handler.

    `args` is the JSON object that the caller sent (empty when it sent nothing), None when `body` is anything
    else: such a body is handed on as it is, with its `content_type`. `base_url` is the integration's own: the
    only origin that credentials found by a security scheme are sent to.
    """

    idempotency_key: str
    base_url: str | None = None
    default_args: Mapping[str, object] = field(default_factory=dict, repr=False)
    args: Mapping[str, object] | None = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None

    @property
    def opaque_body(self) -> bytes | None:
        return self.body if self.args is None and self.body else None


@dataclass(slots=True)
class OutgoingRequest:
    """Ready to be sent. It holds plaintext: `secrets_used` is what to redact in all that is kept of it."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    secrets_used: tuple[Secret, ...] = ()
