"""Networks as people write them (``10.0.0.0/8``, ``2001:db8::1``), and whether an address is in one. Pure.

An IPv4 address that a dual-stack socket shows as IPv6 (``::ffff:192.0.2.1``; RFC 4291, section 2.5.5.2) is
that IPv4 address everywhere here.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

_WRITTEN = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")
"""Without netmasks, which read as their opposite when mistyped, and zones, which mean nothing elsewhere."""
_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_NETWORK = IPv6Network("::ffff:0:0/96")
_V4_BITS, _V6_BITS = 32, 128


def normal_network(text: str) -> str:
    """``10.1.2.3/8`` as ``10.0.0.0/8``, an address as the network of it alone. Raises ``ValueError``."""
    if not _WRITTEN.fullmatch(text):
        raise ValueError("must be an IPv4 or IPv6 network such as 192.0.2.0/24")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 network such as 192.0.2.0/24") from None
    return str(_unmapped(network))


def mapped_network(network: str) -> str:
    """How a dual-stack socket shows the addresses of a network of ``normal_network``'s form."""
    known = ip_network(network)
    if isinstance(known, IPv6Network):
        return network
    return f"::ffff:{known.network_address}/{known.prefixlen + _V6_BITS - _V4_BITS}"


class Networks:
    """Answers ``peer in networks`` with one look-up per length of prefix, however many networks there are."""

    def __init__(self, networks: Iterable[str]) -> None:
        """``networks``: of ``normal_network``'s form."""
        self._prefixes: dict[int, dict[int, set[int]]] = {_V4_BITS: {}, _V6_BITS: {}}
        for network in map(ip_network, networks):
            bits = network.max_prefixlen - network.prefixlen
            prefix = int(network.network_address) >> bits
            self._prefixes[network.max_prefixlen].setdefault(bits, set()).add(prefix)

    def __contains__(self, peer: str | None) -> bool:
        """Whether that address is in one of the networks; not so for what is no address."""
        packed = _packed(peer or "")
        if packed is None:
            return False
        value = int.from_bytes(packed, "big")
        return any(value >> bits in known for bits, known in self._prefixes[len(packed) * 8].items())


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED_NETWORK):
        address = int(network.network_address) & 0xFFFF_FFFF
        return IPv4Network((address, network.prefixlen - _MAPPED_NETWORK.prefixlen))
    return network


def _packed(peer: str) -> bytes | None:
    """4 or 16 bytes; None for what is no address."""
    try:
        if ":" not in peer:
            return socket.inet_pton(socket.AF_INET, peer)
        packed = socket.inet_pton(socket.AF_INET6, peer.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed
