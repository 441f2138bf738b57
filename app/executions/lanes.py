"""Which lane of the engine an execution waits in: what one tenant sends to one upstream. Pure."""

import re
from hashlib import sha256

from app.core.ids import TenantId
from app.handlers.targets import CapabilityTarget, HttpTarget, OperationTarget, Target

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def lane_of(tenant_id: TenantId, upstream: str) -> int:
    """A number of 64 bits, spread evenly, that PostgreSQL's ``bigint`` holds."""
    digest = sha256(f"{tenant_id} {upstream}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def upstream_of(target: Target, base_url: str | None) -> str:
    """The origin that a target calls, as far as it is known before its templates are filled in."""
    if isinstance(target, OperationTarget):
        return _origin(base_url)
    if isinstance(target, HttpTarget):
        return _origin(base_url if target.url.startswith("/") else target.url)
    if isinstance(target, CapabilityTarget):
        return f"connector:{target.connector}"
    return "store:"


def _origin(url: str | None) -> str:
    found = _ORIGIN.match(url or "")
    return found[0].lower() if found else ""
