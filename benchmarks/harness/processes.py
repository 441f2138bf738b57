"""Processes beside the one that measures, and the processor time that each has used. Linux: /proc is read."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self, TypeVar

PATIENCE_S = 60.0

R = TypeVar("R")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_SPAWN = multiprocessing.get_context("spawn")
"""A child of its own making: a fork would inherit sockets and the measuring process's memory."""


class Apart:
    """Calls functions in one process of its own, so that what they cost is not the caller's."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=_SPAWN, initializer=end_with_parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def call(self, function: Callable[..., R], *arguments: object) -> R:
        return self._pool.submit(function, *arguments).result()


@dataclass(frozen=True, slots=True)
class Beside:
    """``said``: what the process sent when it was ready. ``pipe``: to go on talking with it."""

    pid: int
    pipe: Connection
    said: Any

    def ask(self, question: object) -> Any:
        self.pipe.send(question)
        return self._hear()

    def _hear(self) -> Any:
        if not self.pipe.poll(PATIENCE_S):
            raise SystemExit(f"the process {self.pid} does not answer")
        return self.pipe.recv()


@contextmanager
def beside(function: Callable[..., None], *arguments: object) -> Iterator[Beside]:
    """During the block: ``function(pipe, *arguments)`` in a process of its own; it sends when it is ready."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_run_beside, args=(function, theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE_S):
            raise SystemExit(f"{function.__qualname__} did not start")
        yield Beside(process.pid or 0, ours, ours.recv())
    finally:
        process.terminate()
        process.join(PATIENCE_S)
        process.kill()
        ours.close()


def end_with_parent() -> None:
    """To be called in a child: the kernel ends it when its parent ends, however that does (prctl(2))."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _run_beside(function: Callable[..., None], pipe: Connection, *arguments: object) -> None:
    end_with_parent()
    function(pipe, *arguments)


def processor_seconds(pid: int) -> float:
    """In user and kernel mode, of a process and of its children that have ended: fields 14 to 17 of
    proc(5), counted after the name in brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def family_seconds(pid: int, *, without: int | None = None) -> float:
    """The same, of a process and of its living children but one."""
    members = [pid, *(child for child in _children(pid) if child != without)]
    return sum(_seconds_if_alive(member) for member in members)


def memory_mb(pid: int) -> float:
    """Resident set, in megabytes of 1,000,000 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("/proc tells nothing about memory here")


def _children(pid: int) -> list[int]:
    listed = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for child in listed.split()]


def _seconds_if_alive(pid: int) -> float:
    try:
        return processor_seconds(pid)
    except OSError:
        return 0.0
