"""Reads YAML in a process of its own, which a hostile document may kill without hurting anybody.

libyaml is C and reads a stranger's bytes; a single scalar of many megabytes is one C call that holds the
interpreter lock; and only the kernel can bound what a parser takes. So every YAML document, small ones too
(one rule, one path to test, 60 ms beside a fetch), goes through stdin to a child with an address space of
1 GiB, 20 s of CPU, no core file, no environment and therefore no secret, and comes back as JSON. Whatever the
child does, the parent sees a typed refusal.

The child is this module: ``python -m app.openapi_sync.yaml_process``.
"""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable
from app.openapi_sync.oddities import Oddity

MAX_MEMORY = 1024**3
MAX_CPU_SECONDS = 20
MAX_SECONDS = 60
"""On the wall clock: a child that waits for a busy processor has used no CPU yet."""

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


class _Answer(msgspec.Struct):
    value: Raw = Raw(b"null")
    oddities: list[tuple[str, str]] = []
    refused: str | None = None
    detail: str = ""
    extra: dict[str, Any] = {}


def read_yaml(raw: bytes) -> tuple[bytes, tuple[Oddity, ...]]:
    """What ``parse_yaml`` finds, as JSON, by a child process; blocks for as long, so call it from a thread.

    Raises ``DocumentUnreadable`` or ``DocumentTooComplex``, the latter also for a child that died.
    """
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter, our own module
            [sys.executable, "-P", "-m", __spec__.name],
            input=raw,
            capture_output=True,
            timeout=MAX_SECONDS,
            env={"PYTHONPATH": _PACKAGE_ROOT},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_expensive() from None
    if child.returncode < 0:  # killed by the kernel, for its CPU time, or crashed
        raise _too_expensive()
    child.check_returncode()
    answer = msgspec.json.decode(child.stdout, type=_Answer)
    if answer.refused is not None:
        kind = DocumentTooComplex if answer.refused == DocumentTooComplex.code else DocumentUnreadable
        raise kind(answer.detail, extra=answer.extra)
    return bytes(answer.value), tuple(Oddity(*oddity) for oddity in answer.oddities)


def main() -> None:
    """Read YAML from stdin, write ``{value, oddities}`` or ``{refused, detail, extra}`` to stdout as JSON."""
    from app.openapi_sync.yaml_reader import parse_yaml  # the parent never loads libyaml

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    answer = _answer(sys.stdin.buffer.read(), parse_yaml)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _answer(raw: bytes, parse: Callable[[bytes], tuple[object, Iterable[Oddity]]]) -> dict[str, object]:
    try:
        value, oddities = parse(raw)
    except (DocumentUnreadable, DocumentTooComplex) as error:
        return _refusal(error)
    except MemoryError:
        return _refusal(_too_expensive())
    return {"value": value, "oddities": [(oddity.pointer, oddity.message) for oddity in oddities]}


def _refusal(error: DocumentUnreadable | DocumentTooComplex) -> dict[str, object]:
    return {"refused": error.code, "detail": error.detail, "extra": error.extra}


def _too_expensive() -> DocumentTooComplex:
    return DocumentTooComplex(
        f"reading the YAML takes more than {MAX_CPU_SECONDS} s of CPU or {MAX_MEMORY >> 20} MiB of memory"
    )


if __name__ == "__main__":
    main()
