"""Reads the records in ``catalogue/``: whoever adds a provider adds a file there, and that is all."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from app.connectors.definition import Connector

FOLDER = files("app.connectors").joinpath("catalogue")


@cache
def connectors() -> Mapping[str, Connector]:
    """Every connector by its slug, in the order of the slugs. Reading them takes some tenths of a second."""
    records = (file for file in FOLDER.iterdir() if file.name.endswith(".json"))
    found = [Connector.model_validate_json(file.read_bytes()) for file in records]
    return {one.slug: one for one in sorted(found, key=lambda one: one.slug)}
