"""Metrics where several processes are one service, and where a process has no API to answer with."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

import structlog
from prometheus_client import multiprocess, start_http_server

from app.core.settings import Settings
from app.server.listener import AddressNotUsable, PortTaken

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""What the Prometheus client reads when it is imported, in each child."""

_log = structlog.get_logger(__name__)


@contextmanager
def shared() -> Iterator[None]:
    """While the block runs, children that are started count together, in files that they map.

    A folder that the operator names is left alone when the block ends, and has to be empty before.
    """
    if os.environ.get(SHARED_FOLDER):
        yield
        return
    with TemporaryDirectory(prefix="jackfield-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[SHARED_FOLDER]


def forget(pid: int | None) -> None:
    """A child died: what it counted stays, what it showed of itself goes."""
    if pid is not None:
        multiprocess.mark_process_dead(pid, os.environ[SHARED_FOLDER])  # type: ignore[no-untyped-call]


@contextmanager
def served(settings: Settings) -> Iterator[None]:
    """Answer Prometheus on ``metrics_port`` while the block runs, in a thread of its own.

    Raises ``PortTaken`` and ``AddressNotUsable``.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} of {host} is taken: stop who uses it, or choose another with --metrics-port."
            ) from error
        raise AddressNotUsable(f"Cannot listen on port {port} of {host}: {error.strerror}.") from error
    _log.info("metrics.listening", host=host, port=server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
