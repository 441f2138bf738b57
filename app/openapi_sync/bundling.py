"""A description in several files into one document that stands alone.

The files are put into it beside what is there, and references made to lead to them. Whoever reads it later,
for a schema or to compare, needs nobody to ask for a file.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

import orjson

from app.openapi_sync.file_places import FILES, place_of
from app.openapi_sync.files import Gathered, named
from app.openapi_sync.oddities import Oddity, quote

MOST_TOLD = 20
"""Files that are not there, and oddities of those that are, of which something is said."""

_REFERENCE = re.compile(rb'(?<!\\)"\$ref"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Bundle:
    """``oddities``: of the description and its files, before they were made JSON, and of files not in it."""

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
    return Bundle(text, (*gathered.root.oddities, *_told(gathered)))


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
    return b'"$ref":%b' % orjson.dumps(f"#{'' if file == root else place_of(file)}{pointer}")


def _told(gathered: Gathered) -> Iterator[Oddity]:
    missing, oddities = gathered.missing, gathered.oddities
    for name, reason in [*missing.items()][:MOST_TOLD]:
        yield Oddity("", f"the file {quote(name)} is left out: {reason}")
    if len(missing) > MOST_TOLD:
        yield Oddity("", f"{len(missing) - MOST_TOLD} more files are left out")
    yield from oddities[:MOST_TOLD]
    if len(oddities) > MOST_TOLD:
        yield Oddity("", f"{len(oddities) - MOST_TOLD} more warnings of files are not shown")
