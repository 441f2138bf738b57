"""A description in several files into one document that stands alone.

The files are put into it beside what is there, and references made to lead to them. Whoever reads it later,
for a schema or to compare, needs nobody to ask for a file.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

import orjson

from app.openapi_sync.files import Gathered, named
from app.openapi_sync.oddities import Oddity, quote

FILES = "x-jackfield-files"
MOST_TOLD = 20
"""Files that are not there, of which something is said."""

_REFERENCE = re.compile(rb'(?<!\\)"\$ref"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Bundle:
    """``oddities``: of the description, before it was made JSON, and of the files that are not in it."""

    text: bytes = field(repr=False)
    oddities: tuple[Oddity, ...] = ()


def bundle(gathered: Gathered) -> Bundle:
    """CPU work: call it from a thread."""
    root, name = gathered.root.text.rstrip(), gathered.name
    if not (root.startswith(b"{") and root.endswith(b"}")):
        return Bundle(root, gathered.root.oddities)  # for the reader to say what is wrong with it
    known = {name, *gathered.files}
    inside = _pointed(root, name, name, known)[:-1].rstrip()
    files = (
        b"%b:%b" % (orjson.dumps(one), _pointed(text, one, name, known))
        for one, text in sorted(gathered.files.items())
    )
    comma = b"" if inside.endswith(b"{") else b","
    text = b'%b%b"%b":{%b}}' % (inside, comma, FILES.encode(), b",".join(files))
    return Bundle(text, (*gathered.root.oddities, *_told(gathered.missing)))


def _pointed(text: bytes, name: str, root: str, known: AbstractSet[str]) -> bytes:
    """With references to files, and of files within themselves, made references into the bundle."""
    return _REFERENCE.sub(partial(_rewritten, name=name, root=root, known=known), text)


def _rewritten(match: re.Match[bytes], *, name: str, root: str, known: AbstractSet[str]) -> bytes:
    reference = orjson.loads(match[1])
    is_inside = reference.startswith("#")
    file = name if is_inside else named(name, reference)
    pointer = reference.partition("#")[2]
    if file is None or file not in known or (is_inside and name == root):
        return match[0]
    if pointer and not pointer.startswith("/"):  # put after the file's name it would make that of another
        return match[0]
    return b'"$ref":%b' % orjson.dumps(f"#{_place(file, root)}{pointer}")


def _place(file: str, root: str) -> str:
    return "" if file == root else f"/{FILES}/{file.replace('~', '~0').replace('/', '~1')}"


def _told(missing: Mapping[str, str]) -> Iterator[Oddity]:
    for name, reason in [*missing.items()][:MOST_TOLD]:
        yield Oddity("", f"the file {quote(name)} is left out: {reason}")
    if len(missing) > MOST_TOLD:
        yield Oddity("", f"{len(missing) - MOST_TOLD} more files are left out")
