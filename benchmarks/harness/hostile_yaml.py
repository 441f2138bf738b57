"""YAML that is made to hurt: for each kind a function from a size in bytes to a document of about that."""

from collections.abc import Callable

Made = Callable[[int], bytes]

HEAD = b"openapi: 3.0.0\npaths: {}\nx:\n"
_BEYOND_HASHES = 2**61 - 1
"""Python's whole numbers that are multiples of it all have the hash 0."""


def repeated(piece: bytes, *, before: bytes = HEAD, after: bytes = b"", most: int | None = None) -> Made:
    """``piece`` again and again, ``most`` times at most."""

    def made(size: int) -> bytes:
        count = (size - len(before) - len(after)) // len(piece)
        return before + piece * (count if most is None else min(count, most)) + after

    return made


def numbered(template: str, *, before: bytes = HEAD, after: bytes = b"", most: int | None = None) -> Made:
    """``template`` with another number each time."""

    def made(size: int) -> bytes:
        count = (size - len(before)) // (len(template) + 4)
        count = count if most is None else min(count, most)
        return before + "".join([template % number for number in range(count)]).encode() + after

    return made


def laughs(_: int) -> bytes:
    """Nine aliases of nine aliases of …"""
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)]
    return b"openapi: 3.0.0\npaths: {}\na0: &a0 lol\n" + "".join(levels).encode()


def quadratic_aliases(size: int) -> bytes:
    base = b"base: &base [" + b"a," * (size // 4) + b"a]\n"
    return b"openapi: 3.0.0\npaths: {}\n" + base + b"many: [" + b"*base," * 99 + b"*base]\n"


def merges(_: int) -> bytes:
    keys = ", ".join(f"k{number}: 1" for number in range(50_000))
    return HEAD + f"  - &base {{{keys}}}\n".encode() + b"  - <<: *base\n" * 99


def colliding_keys(size: int) -> bytes:
    keys = [f"  {number * _BEYOND_HASHES}: a\n" for number in range(1, min(size // 30, 200_000))]
    return HEAD + "".join(keys).encode()


def repeated_in_places(size: int) -> bytes:
    return HEAD + b"  - {a: 1, a: 2, b: {c: 1, c: 2}}\n" * min(size // 34, 300_000)


YAML_CASES: dict[str, Made] = {
    "yaml flow depth": repeated(b"[", most=200_000),
    "yaml block depth": repeated(b"- ", most=200_000),
    "yaml flow depth of maps": repeated(b"{a: ", most=200_000),
    "yaml deep question marks": repeated(b"? ", most=200_000),
    "yaml laughs": laughs,
    "yaml quadratic aliases": quadratic_aliases,
    "yaml many aliases": repeated(b"- *a\n", before=HEAD + b"- &a b\n"),
    "yaml anchors": numbered("- &a%d b\n"),
    "yaml merges": merges,
    "yaml one merge of many": repeated(b"    - {a: 1}\n", before=HEAD + b"  <<:\n"),
    "yaml 2,000,000 repeated keys": repeated(b"  a: 1\n", most=2_000_000),
    "yaml repeated keys": repeated(b"  a: 1\n"),
    "yaml repeated keys everywhere": repeated_in_places,
    "yaml different keys": numbered("  k%d: 1\n"),
    "yaml colliding keys": colliding_keys,
    "yaml small list": repeated(b"- a\n"),
    "yaml small lists": repeated(b"- []\n"),
    "yaml lines as allowed": repeated(b"- a: b\n", most=2_990_000),
    "yaml long lines as allowed": repeated(b"- a: bcdefghijklm\n", most=2_990_000),
    "yaml different keys as allowed": numbered("  k%d: 1\n", most=2_990_000),
    "yaml commas as allowed": repeated(b"[a],", before=HEAD + b"  [", after=b"]\n", most=2_900_000),
    "yaml maps as allowed": repeated(b"{a: b},", before=HEAD + b"  [", after=b"]\n", most=1_240_000),
    "yaml small flow": repeated(b"[],", before=HEAD + b"  [", after=b"]\n"),
    "yaml small maps": repeated(b"{a: {}},", before=HEAD + b"  [", after=b"]\n"),
    "yaml small list, error at the end": repeated(b"- a\n", after=b"- ]\n"),
    "yaml nulls": repeated(b"-\n"),
    "yaml numbers": repeated(b"- 1\n"),
    "yaml long numbers": repeated(b"- " + b"9" * 4_000 + b"\n"),
    "yaml huge number": repeated(b"9", before=HEAD + b"  ", after=b"\n"),
    "yaml plain scalar": repeated(b"a", before=HEAD + b"  ", after=b"\n"),
    "yaml plain scalar of lines": repeated(b"  a\n"),
    "yaml quoted escapes": repeated(b"\\x41", before=HEAD + b'  "', after=b'"\n'),
    "yaml quoted NUL": repeated(b"\\0", before=HEAD + b'  "', after=b'"\n'),
    "yaml block scalar": repeated(b"   a\n", before=HEAD + b"  |\n"),
    "yaml folded scalar": repeated(b"   a\n\n", before=HEAD + b"  >\n"),
    "yaml huge key": repeated(b"a", before=HEAD + b"  ? ", after=b"\n  : a\n"),
    "yaml comments": repeated(b"#\n"),
    "yaml spaces": repeated(b" "),
    "yaml lines": repeated(b"\n"),
    "yaml documents": repeated(b"---\n", before=b"openapi: 3.0.0\npaths: {}\n"),
    "yaml tags": repeated(b"- !a b\n"),
    "yaml directives": numbered("%%TAG !a%d! b\n", before=b"", after=b"---\nopenapi: 3.0.0\npaths: {}\n"),
    "yaml empty flow pairs": repeated(b",", before=HEAD + b"  [", after=b"]\n"),
    "yaml colons": repeated(b"a:", before=HEAD + b"  "),
    "yaml keys of lists": repeated(b"  ? [a]\n  : a\n"),
    "yaml infinities": repeated(b"- .inf\n"),
    "yaml float keys": numbered("  %d.5: a\n"),
}
