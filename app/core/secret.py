"""A value that cannot be printed, logged, pickled, compared in variable time or put into JSON."""

import hmac
from typing import NoReturn


class Secret:
    """Plaintext that only ``reveal`` hands out.

    ``repr``, ``str`` and formatting show ``**********``; pickling raises; ``==`` takes the same time
    wherever two values differ; hashing is refused so that it cannot become a key of a cache.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __str__(self) -> str:
        return "**********"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not leave the process")
