"""The process that ``yaml_process`` lets read YAML: limits itself, reads stdin, writes JSON to stdout.

It reads the lengths of some files in a line, and then the files. It writes how many bytes reading took, and
of each file, in a line of its own, ``{"value", "oddities"}`` or ``{"refused", "detail", "extra"}``. It
imports little, and the careful reader only for what the quick one leaves to it: starting takes longer than
reading most descriptions does.
"""

import resource
import sys

import orjson

from app.core.memory import peak_bytes
from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable

MAX_MEMORY = 1024**3
MAX_CPU_SECONDS = 20


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    lengths = [int(one) for one in sys.stdin.buffer.readline().split()]
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
    from app.openapi_sync.yaml_quick import (
        plain_yaml_as_json,
    )  # whoever imports us must not load a YAML parser

    if (plain := plain_yaml_as_json(raw)) is not None:
        return b'{"value":%b,"oddities":[]}' % plain
    from app.openapi_sync.yaml_reader import yaml_as_json

    return yaml_as_json(raw)


def too_expensive() -> DocumentTooComplex:
    return DocumentTooComplex(
        f"reading the YAML takes more than {MAX_CPU_SECONDS} s of CPU or {MAX_MEMORY >> 20} MiB of memory"
    )


def _refusal(error: DocumentUnreadable | DocumentTooComplex) -> bytes:
    return orjson.dumps({"refused": error.code, "detail": error.detail, "extra": error.extra})


if __name__ == "__main__":
    main()
