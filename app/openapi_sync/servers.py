"""Where an operation is served, by the document's own account. Credentials do not follow it."""

import re
from collections.abc import Mapping

LONGEST_URL = 2048
MAX_SERVERS = 32
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def listed_servers(servers: object) -> tuple[str, ...] | None:
    """The URLs of a ``servers`` list, variables filled in by default; None when the list says nothing."""
    if not isinstance(servers, list):
        return None
    some = servers[:MAX_SERVERS]
    urls = tuple(url for server in some if isinstance(server, dict) and (url := _url(server)))
    return urls or None


def swagger2_servers(schemes: object, host: object, base_path: object) -> tuple[str, ...]:
    """OpenAPI 2.0's ``schemes``, ``host`` and ``basePath`` as URLs, https first.

    Without a host, or without a scheme for it, they are relative to the document's own address.
    """
    path = base_path if isinstance(base_path, str) and base_path != "/" else ""
    if not isinstance(host, str) or not host:
        return (path,) if path else ()
    named = {one for one in schemes if isinstance(one, str)} if isinstance(schemes, list) else set()
    usable = [scheme for scheme in ("https", "http") if scheme in named]
    urls = [f"{scheme}://{host}{path}" for scheme in usable] or [f"//{host}{path}"]
    return tuple(url for url in urls if len(url) <= LONGEST_URL)


def _url(server: Mapping[str, object]) -> str | None:
    url, variables = server.get("url"), server.get("variables")
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
        return None
    if isinstance(variables, dict):
        url = _VARIABLE.sub(lambda match: _fill(match, variables), url)
    return url if len(url) <= LONGEST_URL else None


def _fill(match: re.Match[str], variables: Mapping[str, object]) -> str:
    """The default of a variable; a variable without one stays as it stands."""
    variable = variables.get(match[1])
    default = variable.get("default") if isinstance(variable, dict) else None
    return str(default)[:LONGEST_URL] if isinstance(default, str | int) else match[0]
