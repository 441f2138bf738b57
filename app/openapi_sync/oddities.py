"""What is said about a document that is not quite as it should be, and how little of it is repeated."""

from dataclasses import dataclass

from msgspec import Struct

LONGEST_QUOTE = 80
"""Characters of a document that one message may repeat: it is a stranger's text."""

Place = tuple[object, ...]
"""The keys and indices that lead to a part of a document; of most places nothing is ever said."""

MOST_NOTES = 20
"""Oddities kept per operation; the first ones tell the story."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something the reader worked around: a JSON Pointer into the document, and what it met there."""

    pointer: str
    message: str


class Notes(Struct):
    """The oddities met while one operation was read.

    ``is_degraded`` says that something the operation refers to could not be found, so that a call made from
    it may lack a parameter, a body or a credential.
    """

    oddities: list[Oddity] = []  # a struct gives each its own
    is_degraded: bool = False

    def add(self, place: Place, message: str) -> None:
        if len(self.oddities) < MOST_NOTES:
            self.oddities.append(Oddity(join_pointer("", *place), message))

    def degrade(self, place: Place, message: str) -> None:
        self.is_degraded = True
        self.add(place, message)


def quote(text: object) -> str:
    """A piece of the document, fit for a message: printable, on one line, cut to ``LONGEST_QUOTE``."""
    shown = str(text)[: LONGEST_QUOTE + 1]
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown
    )
    return shown if len(shown) <= LONGEST_QUOTE else shown[: LONGEST_QUOTE - 1] + "\N{HORIZONTAL ELLIPSIS}"


def join_pointer(pointer: str, *tokens: object) -> str:
    """The JSON Pointer some steps below ``pointer``, with ``~`` and ``/`` escaped (RFC 6901, section 3)."""
    return "/".join((pointer, *(escaped(str(token)) for token in tokens)))


def escaped(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
