"""What waits for a person, as it is kept and told. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import orjson

from app.db.base import Json
from app.openapi_sync.differences import Difference
from app.openapi_sync.holding import Held
from app.openapi_sync.schemas import DifferenceRead

MOST_DIFFERENCES: Final = 1000
"""That are kept of one schedule, and 50 of one handler: the rest is known by the first ones."""
MOST_OF_ONE: Final = 50
LONGEST_VALUE: Final = 1000
"""Bytes of a value before or after: it is a stranger's, and may be a list of thousands."""
MOST_TOLD: Final = 100
"""Handlers that one event names."""


def kept(held: Sequence[Held], before: Iterable[Json]) -> list[Json]:
    """As the row keeps it. ``before``: what it kept until now."""
    known = {entry["id"]: entry for entry in before}
    room = MOST_DIFFERENCES
    entries: list[Json] = []
    for one in held:
        id = str(one.handler.id) if one.handler else None
        told = _told(one, known.get(id, {}))[: min(MOST_OF_ONE, room)]
        room -= len(told)
        entries.append(
            {
                "id": id,
                "name": one.name,
                "method": one.method,
                "path": one.path,
                "action": str(one.action),
                "differences": told,
                "baseline": str(one.baseline) if one.baseline else None,
            }
        )
    return entries


def baselines(entries: Iterable[Json]) -> dict[UUID, UUID]:
    """By handler, the document that it last agreed with."""
    return {
        UUID(str(entry["id"])): UUID(str(entry["baseline"]))
        for entry in entries
        if entry["id"] and entry["baseline"]
    }


def news(entries: Iterable[Json], before: Iterable[Json]) -> list[Json]:
    """What was not held before, or for another reason. That something is held no longer is no news."""
    known = {_essence(entry) for entry in before}
    return [entry for entry in entries if _essence(entry) not in known]


def briefly(entries: Sequence[Json]) -> list[Json]:
    """For an event: which handlers, and why."""
    return [
        {
            **{key: entry[key] for key in ("id", "name", "method", "path", "action")},
            "kinds": sorted({*_kinds(entry)}),
        }
        for entry in entries[:MOST_TOLD]
    ]


def _told(one: Held, known: Mapping[str, object]) -> list[object]:
    if one.differences is None:
        before = known.get("differences")
        return before if isinstance(before, list) else []
    return [_bounded(difference) for difference in one.differences]


def _bounded(difference: Difference) -> Json:
    shown = DifferenceRead.of(difference).model_dump(mode="json", by_alias=True)
    for side in ("before", "after"):
        if len(orjson.dumps(shown[side])) > LONGEST_VALUE:
            shown[side] = None
    return shown


def _essence(entry: Json) -> bytes:
    """Without what a person may have renamed, and without the document that it is compared with."""
    place = [entry["id"]] if entry["id"] else [entry["method"], entry["path"]]
    return orjson.dumps([place, entry["action"], entry["differences"]], option=orjson.OPT_SORT_KEYS)


def _kinds(entry: Json) -> Iterator[str]:
    differences = entry["differences"]
    for one in differences if isinstance(differences, list) else ():
        yield one["kind"]
