"""A checked configuration and a database at its revision, run as one process or as several."""

import socket
from collections.abc import Callable

from app.server import process
from app.server.imports import end_of_imports
from app.server.process import Service
from app.server.stop import StopSignals
from app.server.supervisor import Supervisor


def serve(
    service: Service, listener: socket.socket, stop: StopSignals, on_listening: Callable[[], None]
) -> None:
    """Until asked to stop."""
    if service.settings.workers > 1:
        stop.run_or_cancel(process.check(service))
        end_of_imports()
        Supervisor(service, listener, stop).supervise(on_listening)
    else:
        stop.run(lambda stopping: process.serve(service, listener, stopping, on_listening))


def work(service: Service, stop: StopSignals, on_working: Callable[[], None]) -> None:
    """Until asked to stop."""
    stop.run(lambda stopping: process.work(service, stopping, on_working))
