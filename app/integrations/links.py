"""Quick links of an integration: templates filled with its own values. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"\{(name|baseUrl|id)\}")


@dataclass(frozen=True, slots=True)
class Link:
    key: str
    label: str
    url: str


def fill(templates: Mapping[str, str], *, name: str, base_url: str | None, id: str) -> list[Link]:
    """A link per template, in the order of keys. One that needs a value which is not set is left out."""
    values = {"name": quote(name, safe=""), "baseUrl": base_url, "id": id}
    links = []
    for key, template in sorted(templates.items()):
        wanted = _PLACEHOLDER.findall(template)
        if all(values[name] is not None for name in wanted):
            url = _PLACEHOLDER.sub(lambda match: values[match[1]] or "", template)
            links.append(Link(key, label(key), url))
    return links


def label(key: str) -> str:
    """``apiDocs`` and ``api-docs`` read ``Api docs``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-_]+", " ", key).lower()
    return words[:1].upper() + words[1:]
