"""How large JSON written by a tenant may be, measured without recursion."""

from collections.abc import Mapping

MAX_DEPTH = 32
MAX_VALUES = 10_000
MAX_CHARACTERS = 65_536


def excess(value: object) -> str | None:
    """What is too large about this JSON value, or None. All keys and strings together count as characters."""
    values = characters = 0
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        values += len(level)
        characters += sum(len(item) for item in level if isinstance(item, str))
        below: list[object] = []
        for item in level:
            if isinstance(item, Mapping):
                characters += sum(len(key) for key in item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if values > MAX_VALUES:
            return f"has more than {MAX_VALUES} values"
        if characters > MAX_CHARACTERS:
            return f"has more than {MAX_CHARACTERS} characters"
        if not below:
            return None
        level = below
    return f"is nested deeper than {MAX_DEPTH} levels"
