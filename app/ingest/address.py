"""Whose webhook is it? The path, the token, the host, the only tenant: in this order, nothing is guessed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from starlette.types import Scope

from app.core.errors import NotFound
from app.core.settings import Settings

_WITH_TENANT = 2

FirstValues = Mapping[bytes, bytes]
"""The first value of each header, by lower-case name."""


@dataclass(frozen=True, slots=True)
class Address:
    """``tenant_slug`` is None where only the token can tell."""

    tenant_slug: str | None
    handler: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Naming:
    """What of the settings names tenants and this service."""

    public_url: str | None
    webhook_domain: str | None
    default_tenant: str | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            public_url=str(settings.public_url).rstrip("/") if settings.public_url else None,
            webhook_domain=f".{settings.webhook_domain.lower()}" if settings.webhook_domain else None,
            default_tenant=settings.default_tenant,
        )


def first_values(headers: Iterable[tuple[bytes, bytes]]) -> FirstValues:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found.setdefault(name, value)
    return found


def read_address(path: str, headers: FirstValues, naming: Naming) -> Address:
    """Raises ``NotFound`` for what names no handler."""
    segments = path.split("/")[2:]
    if not segments or len(segments) > _WITH_TENANT or not all(segments):
        raise NotFound
    token = _bearer(headers.get(b"authorization"))
    slug: str | None
    if len(segments) == _WITH_TENANT:
        slug = segments[0]
    elif token is not None:
        slug = None
    else:
        slug = _subdomain(headers.get(b"host", b""), naming.webhook_domain) or naming.default_tenant
        if slug is None:
            raise NotFound
    return Address(slug, segments[-1], token)


def url_of(scope: Scope, headers: FirstValues, naming: Naming) -> str:
    """The address as the sender called and signed it."""
    base = naming.public_url or f"{scope['scheme']}://{headers.get(b'host', b'').decode('latin-1')}"
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{base}{path}?{query}" if query else f"{base}{path}"


def _bearer(authorization: bytes | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _subdomain(host: bytes, domain: str | None) -> str | None:
    shown = host.decode("latin-1")
    name = shown.rsplit(":", 1)[0].lower() if not shown.endswith("]") else shown
    if domain is None or not name.endswith(domain):
        return None
    label = name.removesuffix(domain)
    return label if "." not in label else None
