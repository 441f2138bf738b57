"""URLs of records, with an account's own values put in."""

import re
from collections.abc import Mapping

from app.connectors.definition import Variable
from app.connectors.fields import PLACEHOLDER
from app.core.url_path import climbs, quote_value

_HOST = re.compile(r"https://([^/?#]*)")


class ValueNotAllowed(ValueError):
    """A value may not stand in this URL; the text names it, and does not repeat it."""


def filled(url: str, values: Mapping[str, str], variables: Mapping[str, Variable]) -> str:
    """The URL with a value for each name. Raises ``ValueNotAllowed``.

    A value of a declared variable has to match its pattern, all of it. One that came from a provider instead
    may stand in the path alone, where it is percent-encoded, for it would decide where credentials go.
    """
    host = _HOST.match(url)
    end_of_host = host.end() if host else 0

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        value = values.get(name, variables[name].default if name in variables else None)
        if value is None:
            raise ValueNotAllowed(f"{name} has no value")
        if name in variables:
            if not re.fullmatch(variables[name].pattern, value):
                raise ValueNotAllowed(f"{name} is not what it may be")
            return value
        if match.start() < end_of_host:
            raise ValueNotAllowed(f"{name} may not stand in the host")
        return quote_value(value)

    made = PLACEHOLDER.sub(value_of, url)
    if climbs(made.partition("?")[0].removeprefix("https://")):
        raise ValueNotAllowed("a value would climb out of its path")
    return made
