"""``GET /problems/{code}``: what the ``type`` of a problem document leads to."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from app.core.errors import AppError, NotFound
from app.web.problem import title


class ProblemType(BaseModel):
    """One kind of error. ``code`` never changes its meaning."""

    code: str
    status: int
    title: str
    description: str


router = APIRouter(prefix="/problems", tags=["problems"])


@router.get("", summary="List every kind of error")
async def list_problems() -> list[ProblemType]:
    return sorted(_types().values(), key=lambda kind: (kind.status, kind.code))


@router.get("/{code}", summary="Explain one kind of error")
async def read_problem(code: Annotated[str, Path(max_length=100)]) -> ProblemType:
    try:
        return _types()[code]
    except KeyError:
        raise NotFound from None


def _types() -> dict[str, ProblemType]:
    """Found by walking the subclasses: an error is documented by being written."""
    return {kind.code: _describe(kind) for kind in _kinds(AppError)}


def _kinds(base: type[AppError]) -> Iterator[type[AppError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def _describe(kind: type[AppError]) -> ProblemType:
    return ProblemType(
        code=kind.code,
        status=kind.status,
        title=title(kind.status),
        description=" ".join((kind.__doc__ or "").split()),
    )
