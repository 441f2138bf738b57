"""The process that ``yaml_process`` lets read YAML: limits itself, reads stdin, writes JSON to stdout.

It is told the lengths of some files, and reads one after the other. It writes how many bytes reading took,
and of each file, in a line of its own, ``{"value", "oddities"}`` or ``{"refused", "detail", "extra"}``. It
imports little, and the careful reader only for what the quick one leaves to it: starting takes longer than
reading most descriptions does.
"""

import resource
import signal
import sys

import orjson

from app.core.memory import peak_bytes
from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable

MIB = 1024**2
MAX_MEMORY = 768 * MIB
LEAST_MEMORY = 448 * MIB
MEMORY_PER_BYTE = 8
"""Of address space. What the quick parser reserves for a large document it hardly uses: of real ones it takes
seven times the bytes, of the densest that are let in 500 MB."""
MAX_CPU_SECONDS = 1.6
LEAST_CPU_SECONDS = 0.5
CPU_SECONDS_PER_MIB = 0.15
"""Six times what plain YAML takes, twice what the careful reader does: a small document cannot claim what a
large one needs."""
MAX_GROWTH = 32 * MIB
"""Bytes by which JSON may be longer than the YAML that it was: the parent holds it twice for a moment."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lengths = [int(one) for one in sys.argv[1:]]
    files = [sys.stdin.buffer.read(length) for length in lengths]
    memory = min(LEAST_MEMORY + MEMORY_PER_BYTE * sum(lengths), MAX_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Unlike RLIMIT_CPU it knows fractions of a second. Nobody handles the signal, so it ends native code too.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds(sum(lengths)))
    size = peak_bytes()
    answers = [_answer(raw) for raw in files]
    sys.stdout.buffer.write(b"%d\n" % (peak_bytes() - size))
    sys.stdout.buffer.writelines(part for answer in answers for part in (answer, b"\n"))


def _answer(raw: bytes) -> bytes:
    try:
        answer = answer_to(raw)
    except (DocumentUnreadable, DocumentTooComplex) as error:
        return _refusal(error)
    except MemoryError:
        return _refusal(too_expensive())
    return answer if len(answer) <= len(raw) + MAX_GROWTH else _refusal(too_expensive())


def answer_to(raw: bytes) -> bytes:
    """Raises what ``parse_yaml`` raises, and ``MemoryError``."""
    from app.openapi_sync.yaml_quick import (
        plain_yaml_as_json,
    )  # whoever imports us must not load a YAML parser

    if (plain := plain_yaml_as_json(raw)) is not None:
        return b'{"value":%b,"oddities":[]}' % plain
    from app.openapi_sync.yaml_reader import yaml_as_json

    return yaml_as_json(raw)


def cpu_seconds(size: int) -> float:
    """What reading a document of so many bytes may take."""
    return min(LEAST_CPU_SECONDS + CPU_SECONDS_PER_MIB * size / MIB, MAX_CPU_SECONDS)


def too_expensive() -> DocumentTooComplex:
    return DocumentTooComplex("reading the YAML takes more CPU or memory than its size explains")


def _refusal(error: DocumentUnreadable | DocumentTooComplex) -> bytes:
    return orjson.dumps({"refused": error.code, "detail": error.detail, "extra": error.extra})


if __name__ == "__main__":
    main()
