"""The other files that a description refers to: which they are, and getting them, wherever that is from.

A file is named by its path from the folder that the description is in, and nothing outside of that folder has
a name: a reference that leads there, or to another server, is one that leads nowhere.
"""

import asyncio
import posixpath
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from msgspec import Raw

from app.core.errors import AppError, TooLarge, UpstreamTimedOut
from app.openapi_sync.document import as_json, check_count, repaired
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.pieces import is_json, value_of
from app.openapi_sync.yaml_process import JsonText, read_yaml_files

MAX_FILES = 1000
MAX_AT_ONCE = 8
MAX_SECONDS = 60
MANY_BYTES = 1024 * 1024
"""Few files have as many. Those that do come one at a time, so that what is on its way is bounded by the
limit of all files together, and not by eight times that."""
LONGEST_NAME = 1024

_SEEMS_TO_REFER = re.compile(rb"""\$ref["']?\s*:\s*["']?[^#"'\s]""")
_CONTAINERS = (b"{", b"[")
_TOO_LARGE = "the files of the description are too large together"
_EXAMPLES = frozenset({"example", "examples"})

Read = Callable[[str, int], Awaitable[bytes]]
"""The bytes of the file of that name, at most so many. Raises ``AppError``."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A description and its files, all as JSON. ``missing``: what could not be got, by name, and why.
    ``oddities``: of the files, before they were JSON."""

    name: str
    root: JsonText
    files: Mapping[str, bytes] = field(repr=False)
    missing: Mapping[str, str]
    oddities: Sequence[Oddity] = ()


def is_alone(raw: bytes) -> bool:
    """Whether nothing in a description even looks like a reference to another file."""
    return _SEEMS_TO_REFER.search(raw) is None


def named(name: str, reference: str) -> str | None:
    """The file that a reference in the file ``name`` leads to; None for one that no file may be.

    RFC 3986, section 5.2, for paths alone: neither another server nor the root of this one is ever meant.
    """
    try:
        parts = urlsplit(reference.partition("#")[0])
    except ValueError:
        return None
    path = unquote(parts.path)
    if parts.scheme or parts.netloc or parts.query or not path or path.startswith("/"):
        return None
    if "\\" in path or "%" in path or len(path) > LONGEST_NAME:
        return None
    if not (reference.isprintable() and path.isprintable()):  # what is encoded may be a NUL
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    return None if found.split("/")[0] in {"..", "."} else found


async def gather(name: str, raw: bytes, read: Read, *, max_bytes: int) -> Gathered:
    """A description and all files that it refers to, and that those refer to. What cannot be got is noted.

    Raises what ``as_json`` raises of the description, and ``UpstreamTimedOut`` when all takes too long.
    """
    root = await asyncio.to_thread(as_json, raw)
    gathering = _Gathering(name, read, max_bytes - len(raw))
    try:
        async with asyncio.timeout(MAX_SECONDS):
            await gathering.look_through({name: root.text})
            while wanted := gathering.wanted():
                await gathering.get(wanted)
    except TimeoutError:
        raise UpstreamTimedOut("The files of the description did not all come in time.") from None
    oddities = [one for name in sorted(gathering.oddities) for one in gathering.oddities[name]]
    return Gathered(name, root, gathering.files, gathering.missing, oddities)


class _Gathering:
    """What is needed for calls comes before what is only answered, should there be too much."""

    def __init__(self, root_name: str, read: Read, max_bytes: int) -> None:
        self._read = read
        self._left = max_bytes
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._turns_of_large = asyncio.Lock()
        self._known = {root_name}
        self._waiting: tuple[dict[str, None], dict[str, None]] = ({}, {})
        self._of_answers: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.missing: dict[str, str] = {}
        self.oddities: dict[str, tuple[Oddity, ...]] = {}

    def wanted(self) -> list[str]:
        """What to get next, and only once."""
        of_calls, of_answers = self._waiting
        names = of_calls or of_answers
        self._waiting = ({}, of_answers if of_calls else {})
        new = [name for name in names if name not in self._known]
        if new and not of_calls:
            self._of_answers.update(new)
        room = max(MAX_FILES + 1 - len(self._known), 0)
        self.missing |= dict.fromkeys(new[room:], f"the description has more than {MAX_FILES:,} files")
        self._known.update(new)
        return new[:room] or (self.wanted() if any(self._waiting) else [])

    async def get(self, names: Iterable[str]) -> None:
        raws: dict[str, bytes] = {}
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._get(name, raws))
        texts, wrong = await asyncio.to_thread(json_texts, raws)
        self.missing |= wrong
        self.files |= {name: made.text for name, made in texts.items()}
        self.oddities |= {name: made.oddities for name, made in texts.items() if made.oddities}
        await self.look_through({name: made.text for name, made in texts.items()})

    async def look_through(self, texts: Mapping[str, bytes]) -> None:
        for name, is_of_answer in await asyncio.to_thread(_all_referred, texts, self._of_answers):
            self._waiting[is_of_answer][name] = None

    async def _get(self, name: str, raws: dict[str, bytes]) -> None:
        async with self._turns:
            try:
                raws[name] = await self._bytes(name)
            except AppError as error:
                self.missing[name] = error.detail

    async def _bytes(self, name: str) -> bytes:
        """Once there was too much, nobody is asked for more."""
        if self._left <= 0:
            raise TooLarge(_TOO_LARGE)
        try:
            raw = await self._read(name, min(self._left, MANY_BYTES))
        except TooLarge:
            raw = await self._large(name)
        self._left -= len(raw)
        if self._left < 0:
            raise TooLarge(_TOO_LARGE)
        return raw

    async def _large(self, name: str) -> bytes:
        """Whoever waits keeps its turn, so that no more files are begun than can be gone on with."""
        async with self._turns_of_large:
            try:
                return await self._read(name, max(self._left, 0))
            except TooLarge:
                self._left = 0
                raise TooLarge(_TOO_LARGE) from None


def json_texts(raws: Mapping[str, bytes]) -> tuple[dict[str, JsonText], dict[str, str]]:
    """Files as JSON, all that are YAML by one process; and of those that are neither what is wrong. What was
    odd about one has the file's name in its pointer."""
    texts: dict[str, JsonText] = {}
    others: dict[str, JsonText] = {}
    for name, raw in raws.items():
        plain = JsonText(*repaired(raw))
        (texts if is_json(plain.text) else others)[name] = plain
    wrong: dict[str, str] = {}
    answers = read_yaml_files([plain.text for plain in others.values()])
    for (name, plain), made in zip(others.items(), answers, strict=True):
        if isinstance(made, AppError):
            wrong[name] = made.detail
        else:
            texts[name] = replace(made, oddities=(*plain.oddities, *_of_broken(plain), *made.oddities))
    empty = [name for name, text in texts.items() if not _is_container(text)]
    wrong |= dict.fromkeys(empty, "it is neither an object nor a list")
    return {name: _named(name, text) for name, text in texts.items() if name not in wrong}, wrong


def _is_container(made: JsonText) -> bool:
    return made.text.lstrip()[:1] in _CONTAINERS


def _of_broken(plain: JsonText) -> tuple[Oddity, ...]:
    """Of what was meant as JSON, and is not."""
    return (Oddity("", "this is not valid JSON and was read as YAML"),) if _is_container(plain) else ()


def _named(name: str, made: JsonText) -> JsonText:
    told = (Oddity(f"{name}#{one.pointer}", one.message) for one in made.oddities)
    return replace(made, oddities=tuple(told))


def _all_referred(texts: Mapping[str, bytes], of_answers: set[str]) -> list[tuple[str, bool]]:
    return [
        (found, is_of_answer or name in of_answers)
        for name, text in texts.items()
        for reference, is_of_answer in referred(text)
        if (found := named(name, reference)) is not None
    ]


def referred(text: bytes) -> Iterator[tuple[str, bool]]:
    """References out of a JSON text, with whether an answer is what needs them. Examples and extensions are
    not looked through: nothing is made of them."""
    if b'"$ref"' not in text:
        return
    check_count(text)
    waiting: list[tuple[object, bool, bool]] = [(value_of(Raw(text)), False, False)]
    while waiting:
        node, is_of_answer, has_names = waiting.pop()
        if isinstance(node, list):
            waiting += ((one, is_of_answer, False) for one in node)
        elif isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str) and not reference.startswith("#"):
                yield reference, is_of_answer
            for key, one in node.items():
                if has_names or not (key in _EXAMPLES or key.startswith("x-")):
                    is_below = is_of_answer or (key == "responses" and not has_names)
                    waiting.append((one, is_below, key == "properties" and not has_names))
