"""The socket that the service answers on: bound before the checks, open to connections after them."""

import errno
import socket

from app.core.boot import BootFailure, Misconfigured

BACKLOG = 2048


class PortTaken(BootFailure):
    """Another program listens on the port."""


class AddressNotUsable(Misconfigured):
    """The address to listen on is not one of this machine, or may not be used."""


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that refuses connections until ``listen``. Port 0 takes a free one."""
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # `::` means every address of this machine, those of IPv4 too.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _explain(error, host, port) from error
    return listener


def listen(listener: socket.socket) -> None:
    try:
        listener.listen(BACKLOG)
    except OSError as error:  # two processes can bind one port; the second to listen fails
        raise _explain(error, *listener.getsockname()[:2]) from error


def base_url(listener: socket.socket) -> str:
    """Where this machine reaches the listener, the actual port included."""
    host, port = listener.getsockname()[:2]
    if host == "0.0.0.0":  # noqa: S104 -- compared, not bound
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain(error: OSError, host: str, port: int) -> PortTaken | AddressNotUsable:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"Port {port} of {host} is taken: stop who uses it, or choose another with --port.")
    return AddressNotUsable(f"Cannot listen on port {port} of {host}: {error.strerror}.")
