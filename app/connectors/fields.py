"""What the parts of a connector's record share."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")


def placeholders(text: str) -> list[str]:
    """Names in a template, in order."""
    return PLACEHOLDER.findall(text)


def check_url(url: str) -> str:
    """A template of an https URL, whose origin no value can leave: host and port end before the path begins.

    Raises ``ValueError``.
    """
    filled = PLACEHOLDER.sub("x", url)
    if "{" in filled or "}" in filled or any(not _NAME.fullmatch(name) for name in placeholders(url)):
        raise ValueError("placeholders are names in single braces")
    parts = urlsplit(filled)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("must be an https URL without user information and fragment")
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise ValueError("must not contain spaces, backslashes or control characters")
    return url


def check_pattern(pattern: str) -> str:
    """Raises ``ValueError`` for what is no regular expression, or one that would match somewhere inside."""
    outside = pattern
    while (less := re.sub(r"\([^()]*\)", "", outside)) != outside:
        outside = less
    if not (pattern.startswith("^") and pattern.endswith("$")) or "|" in outside:
        raise ValueError("must be anchored by ^ and $, with alternatives in parentheses")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return pattern


Url = Annotated[str, Field(min_length=9, max_length=1024), AfterValidator(check_url)]
Pattern = Annotated[str, Field(max_length=256), AfterValidator(check_pattern)]
SLUG = r"^[a-z0-9][a-z0-9_-]{0,99}$"
Slug = Annotated[str, Field(pattern=SLUG)]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Label = Annotated[str, Field(min_length=1, max_length=128)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
"""A name on the wire: of a parameter, a field or a header."""
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=256)]
"""Where in a JSON answer a value is: names, or indices, joined by dots."""
Key = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
"""Of a credential, as handlers refer to it."""
Params = Annotated[dict[Word, str], Field(max_length=32)]
