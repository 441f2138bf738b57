"""Which URLs and addresses requests may go to. Pure: nothing here resolves or connects.

The addresses are lists of our own because ``ipaddress.is_global`` is not a guard: it is true for
multicast, for NAT64 and 6to4 forms of private addresses, and differs between Python releases. IPv4 is
a deny list, from the IANA special-purpose registry (RFC 6890). IPv6 is an allow list of the one block
that IANA hands out (RFC 4291, section 2.4), minus the transition and documentation parts of it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import quote

import idna

from app.core.egress.errors import EgressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_LENGTH = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}
FIRST_UNPRIVILEGED_PORT = 1024
LAST_PORT = 65535

# Databases, queues and consoles that mistake an HTTP request for a command, or obey it.
ADMIN_PORTS = frozenset(
    {1433, 1434, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 5984}
    | {5985, 5986, 6379, 6443, 6667, 7000, 7001, 8086, 8200, 8500, 8501, 9042, 9092, 9200, 9300}
    | {10250, 10255, 11211, 15672, 27017, 27018, 27019, 28015, 33060, 50000, 61616}
)

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".svc", ".home.arpa")

# Cloud metadata hands credentials to whoever asks, so no allow-list opens it. 169.254.0.0/16 holds that
# of AWS, Azure, Google and Oracle; 168.63.129.16 is Azure's, 100.100.100.200 Alibaba's, 192.0.0.192
# Oracle's older one; fd00:ec2::/32 is AWS, fd20:ce::/32 Google, fd00:c1::/32 Oracle over IPv6.
NEVER: tuple[Network, ...] = (
    *map(IPv4Network, ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32")),
    *map(IPv6Network, ("fe80::/10", "fd00:ec2::/32", "fd20:ce::/32", "fd00:c1::/32")),
)

RESERVED_V4 = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
UNICAST_V6 = IPv6Network("2000::/3")
RESERVED_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

# Prefixes that carry an IPv4 address in their last 32 bits: mapped (RFC 4291), SIIT (RFC 7915),
# NAT64 (RFC 6052), and the deprecated compatible form.
CARRIERS_V6 = tuple(map(IPv6Network, ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "::/96")))

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


@dataclass(slots=True)
class Target:
    """A URL that was parsed once, so that nobody downstream reads it differently.

    ``host`` is lower-case ASCII, an IPv6 address without brackets; ``path`` starts with a slash and
    includes the query, which may hold a key and therefore stays out of ``repr``.
    """

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def origin(self) -> str:
        """RFC 6454: scheme, host, and the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        return self.origin + self.path


class EgressPolicy:
    """Public addresses and ordinary ports, plus what the operator allows.

    ``allow`` holds addresses (``10.1.2.3``), networks (``10.0.0.0/8``) and host names (``api.internal``,
    exactly, no wildcards). An allowed name may resolve to any address but those of ``NEVER``; allowed
    names and literal addresses may use any port. A bad entry is a ``ValueError``.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        entries = [_allow_entry(entry.strip()) for entry in allow]
        self._hosts = frozenset(entry for entry in entries if isinstance(entry, str))
        self._networks = tuple(entry for entry in entries if not isinstance(entry, str))
        # Judged once: what a policy says of an origin does not change. What it refuses is not kept.
        self._origin = lru_cache(maxsize=1024)(self._judged_origin)

    def parse(self, url: str) -> Target:
        """Read an absolute http(s) URL strictly and judge all that can be judged without a lookup."""
        if len(url) > MAX_URL_LENGTH:
            raise EgressRefused(f"The URL is longer than {MAX_URL_LENGTH} characters.")
        if _UNSAFE.search(url):
            raise EgressRefused("The URL holds a space, a backslash or a control character.")
        parts = _URL.fullmatch(url)
        if parts is None or (scheme := parts[1].lower()) not in DEFAULT_PORTS:
            raise EgressRefused("The URL must be absolute and start with http:// or https://.")
        host, port = self._origin(scheme, parts[2])
        return Target(scheme, host, port, _normal_path(parts[3], parts[4] or ""))

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Refuse unless every address is permitted: a client may connect to any of them.

        The addresses are not named in the refusal, or it would tell a tenant what internal names
        resolve to.
        """
        if not all(self._is_permitted(host, ip_address(address)) for address in addresses):
            raise EgressRefused(f"Requests may not be sent to the address of {host}.")

    def lists(self, host: str) -> bool:
        """Whether the operator allowed this host by name or, if it is an address, by network."""
        address = literal_address(host)
        return host in self._hosts if address is None else self._is_listed(address)

    def _judged_origin(self, scheme: str, authority: str) -> tuple[str, int]:
        host, given = _split_authority(authority)
        port = DEFAULT_PORTS[scheme] if given is None else given
        self._judge_host(host)
        self._judge_port(host, port)
        return host, port

    def _judge_host(self, host: str) -> None:
        if literal_address(host) is not None:
            self.check(host, [host])
        elif not self.lists(host) and ("." not in host or host.endswith(LOCAL_SUFFIXES)):
            raise EgressRefused(f"The host {host} is a local name.")

    def _judge_port(self, host: str, port: int) -> None:
        usual = port in DEFAULT_PORTS.values() or (
            port >= FIRST_UNPRIVILEGED_PORT and port not in ADMIN_PORTS
        )
        if not usual and not self.lists(host):
            raise EgressRefused(f"Requests may not be sent to port {port}.")

    def _is_permitted(self, host: str, address: Address) -> bool:
        faces = (address, *_carried(address))
        if any(face in network for face in faces for network in NEVER):
            return False
        return host in self._hosts or all(self._is_listed(face) or _is_public(face) for face in faces)

    def _is_listed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


@lru_cache(maxsize=4096)
def literal_address(host: str) -> Address | None:
    """The address that a host *is*, rather than has; ``None`` for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _allow_entry(entry: str) -> Network | str:
    if "/" in entry or literal_address(entry) is not None:
        return ip_network(entry)  # its own ValueError names the entry and the fault
    try:
        return _normal_name(entry)
    except EgressRefused as exc:
        raise ValueError(f"{entry!r} is not an address, a network or a host name") from exc


def _split_authority(authority: str) -> tuple[str, int | None]:
    """Host and port of RFC 3986, section 3.2, in which we allow neither userinfo nor escapes."""
    if "@" in authority:
        raise EgressRefused("The URL may not hold a user name or password.")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or (parts[2] and not 0 < int(parts[2]) <= LAST_PORT):
        raise EgressRefused("The URL has no valid host and port.")
    port = int(parts[2]) if parts[2] else None
    if parts[1].startswith("["):
        return _normal_ipv6(parts[1][1:-1]), port
    return _normal_name(parts[1]), port


def _normal_ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise EgressRefused("The host of the URL is not a valid IPv6 address.") from None


@lru_cache(maxsize=4096)
def _normal_name(text: str) -> str:
    """A host name as IDNA2008 A-labels (RFC 5891), or a canonical dotted quad.

    What ends in a number is an IPv4 address to the WHATWG URL standard and to ``getaddrinfo``, which
    reads ``2130706433``, ``0x7f.1`` and ``0177.1`` as 127.0.0.1. Only the canonical spelling passes.
    """
    name = text.lower() if text.isascii() else text
    try:
        name = idna.encode(name, strict=True).decode().removesuffix(".")
        if _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
            name = str(IPv4Address(name))
    except (idna.IDNAError, AddressValueError):
        raise EgressRefused("The host of the URL is not a valid name or address.") from None
    return name


def _normal_path(path: str, query: str) -> str:
    """Path and query in ASCII (RFC 3987, section 3.1); existing escapes stay as they are."""
    return quote((path or "/") + query, safe="!$%&'()*+,-./:;=?@[]_~")


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 address inside an IPv6 one: whoever translates it sends the request there."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if any(address in network for network in CARRIERS_V6):
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in RESERVED_V4)
    return address in UNICAST_V6 and not any(address in network for network in RESERVED_V6)
