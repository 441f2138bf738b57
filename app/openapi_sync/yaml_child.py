"""The process that ``yaml_process`` lets read YAML: limits itself, reads stdin, writes JSON to stdout.

It is told the lengths of some files, and reads one after the other. It writes how many bytes reading took,
and of each file, in a line of its own, ``{"value", "oddities"}`` or ``{"refused", "detail", "extra"}``. It
imports little, and the careful reader only for what the quick one leaves to it: starting takes longer than
reading most descriptions does.
"""

import resource
import sys

import orjson

from app.core.memory import peak_bytes
from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable

MAX_MEMORY = 1024**3
LEAST_MEMORY = 256 * 1024**2
MEMORY_PER_BYTE = 20
"""Of what is to be read: real descriptions take up to 15."""
MAX_CPU_SECONDS = 10
MAX_LINES = 1_500_000
"""The largest description known, of 47 MB, has some 1.3 million."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    lengths = [int(one) for one in sys.argv[1:]]
    memory = min(LEAST_MEMORY + MEMORY_PER_BYTE * sum(lengths), MAX_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    files = [sys.stdin.buffer.read(length) for length in lengths]
    size = peak_bytes()
    answers = [_answer(raw) for raw in files]
    sys.stdout.buffer.write(b"%d\n" % (peak_bytes() - size))
    sys.stdout.buffer.writelines(part for answer in answers for part in (answer, b"\n"))


def _answer(raw: bytes) -> bytes:
    try:
        return answer_to(raw)
    except (DocumentUnreadable, DocumentTooComplex) as error:
        return _refusal(error)
    except MemoryError:
        return _refusal(too_expensive())


def answer_to(raw: bytes) -> bytes:
    """Raises what ``parse_yaml`` raises, and ``MemoryError``."""
    if raw.count(b"\n") > MAX_LINES:
        raise DocumentTooComplex(f"the YAML has more than {MAX_LINES:,} lines")
    from app.openapi_sync.yaml_quick import (
        plain_yaml_as_json,
    )  # whoever imports us must not load a YAML parser

    if (plain := plain_yaml_as_json(raw)) is not None:
        return b'{"value":%b,"oddities":[]}' % plain
    from app.openapi_sync.yaml_reader import yaml_as_json

    return yaml_as_json(raw)


def too_expensive() -> DocumentTooComplex:
    return DocumentTooComplex(
        f"reading the YAML takes more than {MAX_CPU_SECONDS} s of CPU, {MAX_MEMORY >> 20} MiB of memory, or "
        f"{LEAST_MEMORY >> 20} MiB and {MEMORY_PER_BYTE} times its size"
    )


def _refusal(error: DocumentUnreadable | DocumentTooComplex) -> bytes:
    return orjson.dumps({"refused": error.code, "detail": error.detail, "extra": error.extra})


if __name__ == "__main__":
    main()
