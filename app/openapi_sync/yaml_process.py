"""Reads YAML in a process of its own, which a hostile document may kill without hurting anybody.

The parsers are native and read a stranger's bytes; a single scalar of many megabytes is one call that holds
the interpreter lock; and only the kernel can bound what a parser takes. So every YAML document, small ones
too (one rule, one path to test, 30 ms beside a fetch), goes through stdin to a child with the address space
and CPU that its size explains (768 MiB and 1.6 s at most), no core file, no environment and so no secret,
and comes back as JSON. Whatever the child does, the parent sees a typed refusal.

The child is ``python -m app.openapi_sync.yaml_child``.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from app.core.errors import AppError
from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.yaml_child import too_expensive

MAX_SECONDS = 60
"""On the wall clock: a child that waits for a busy processor has used no CPU yet."""
MAX_LINES = 3_000_000
"""A real document of 64 MiB has 1.8 million; each of them may be a node, or several."""

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class JsonText:
    """A document in JSON and UTF-8, and what was odd about the one that it was."""

    text: bytes = field(repr=False)
    oddities: tuple[Oddity, ...] = ()
    peak_bytes: int = 0
    """Memory that reading took in another process."""


class _Answer(msgspec.Struct):
    value: Raw = Raw(b"null")
    oddities: list[tuple[str, str]] = []
    refused: str | None = None
    detail: str = ""
    extra: dict[str, Any] = {}


def read_yaml(raw: bytes) -> JsonText:
    """A YAML document as JSON, by a child process; blocks for as long, so call it from a thread.

    Raises ``DocumentUnreadable`` or ``DocumentTooComplex``, the latter also for a child that died.
    """
    [made] = read_yaml_files([raw])
    if isinstance(made, AppError):
        raise made
    return made


def read_yaml_files(files: Sequence[bytes]) -> list[JsonText | AppError]:
    """Several by one child, or what ``read_yaml`` would raise of each; of all when the child dies."""
    if not files:
        return []
    if sum(max(raw.count(b"\n"), raw.count(b"\r")) for raw in files) > MAX_LINES:
        return [DocumentTooComplex(f"the YAML has more than {MAX_LINES:,} lines") for _ in files]
    try:
        child = subprocess.run(  # noqa: S603 - numbers are all that it is told
            [sys.executable, "-P", "-m", "app.openapi_sync.yaml_child", *(str(len(one)) for one in files)],
            input=b"".join(files),
            capture_output=True,
            timeout=MAX_SECONDS,
            env={"PYTHONPATH": _PACKAGE_ROOT},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [too_expensive() for _ in files]
    if child.returncode < 0:  # killed by the kernel, for its CPU time, or crashed
        return [too_expensive() for _ in files]
    child.check_returncode()
    return list(_answers(memoryview(child.stdout), child.stdout))


def _answers(view: memoryview, stdout: bytes) -> Iterator[JsonText | AppError]:
    """Of a line each, which JSON never breaks; the first line is what all of them took."""
    end = stdout.index(b"\n")
    peak_bytes = int(stdout[:end])
    while end + 1 < len(stdout):
        start, end = end + 1, stdout.index(b"\n", end + 1)
        answer = msgspec.json.decode(view[start:end], type=_Answer)
        if answer.refused is not None:
            kind = DocumentTooComplex if answer.refused == DocumentTooComplex.code else DocumentUnreadable
            yield kind(answer.detail, extra=answer.extra)
        else:
            yield JsonText(bytes(answer.value), tuple(Oddity(*one) for one in answer.oddities), peak_bytes)
