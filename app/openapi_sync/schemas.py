from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import Annotated, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from app.db.base import Json
from app.handlers.targets import Method
from app.openapi_sync.changes import Action, HandlerChange, differences
from app.openapi_sync.differences import Difference, Kind
from app.openapi_sync.options import OnMissing, SyncOptions
from app.openapi_sync.selection import Criteria, Selection
from app.openapi_sync.writing import Synced
from app.web.schemas import Given, Shown

MOST_SKIPPED = 1000
"""Skipped operations that are kept with a document, to be told again."""


def _in_capitals(method: object) -> object:
    return method.upper() if isinstance(method, str) else method


IntegrationName = Annotated[
    str,
    # One path segment that starts with a letter or digit and cannot climb: no two dots stand together.
    StringConstraints(pattern=r"^[A-Za-z0-9](?:\.?[A-Za-z0-9_-])*\.?$", max_length=64),
    Field(description="The document is at `{baseUrl}/{integrationName}/openapi.json`."),
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8192),
    Field(description="The absolute address of the document. No credentials are sent to it."),
]
Tags = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=200)]
PathPrefixes = Annotated[list[Annotated[str, Field(min_length=1, max_length=2048)]], Field(max_length=200)]
Methods = Annotated[list[Annotated[Method, BeforeValidator(_in_capitals)]], Field(max_length=8)]
MissingPolicy = Annotated[
    OnMissing, Field(description="What becomes of handlers whose operation the document lacks.")
]


class CriteriaGiven(Given):
    """An empty kind of criterion says nothing. A path prefix covers whole segments."""

    tags: Tags = Field(default_factory=list)
    path_prefixes: PathPrefixes = Field(default_factory=list)
    methods: Methods = Field(default_factory=list)

    def criteria(self) -> Criteria:
        return Criteria(frozenset(self.tags), tuple(self.path_prefixes), frozenset(self.methods))


class SyncRequest(Given):
    """Either ``integrationName`` or ``url`` says where the document is."""

    integration_name: IntegrationName | None = None
    url: Url | None = None
    include: CriteriaGiven = Field(default_factory=CriteriaGiven)
    exclude: CriteriaGiven = Field(default_factory=CriteriaGiven)
    on_missing: MissingPolicy = OnMissing.KEEP
    force: StrictBool = Field(
        default=False, description="Accept a document that lacks most operations of the last sync."
    )

    @model_validator(mode="after")
    def _names_one_address(self) -> Self:
        if (self.integration_name is None) == (self.url is None):
            raise ValueError("give either integrationName or url")
        return self

    def options(self, *, dry_run: bool) -> SyncOptions:
        selection = Selection(self.include.criteria(), self.exclude.criteria())
        return SyncOptions(selection, self.on_missing, self.force, dry_run)


class UploadQuery(Given):
    """What ``SyncRequest`` says in its body, for a request whose body is the document."""

    include_tag: Tags = Field(default_factory=list)
    include_path_prefix: PathPrefixes = Field(default_factory=list)
    include_method: Methods = Field(default_factory=list)
    exclude_tag: Tags = Field(default_factory=list)
    exclude_path_prefix: PathPrefixes = Field(default_factory=list)
    exclude_method: Methods = Field(default_factory=list)
    on_missing: MissingPolicy = OnMissing.KEEP
    force: bool = False
    dry_run: bool = False

    def options(self) -> SyncOptions:
        include = Criteria(
            frozenset(self.include_tag), tuple(self.include_path_prefix), frozenset(self.include_method)
        )
        exclude = Criteria(
            frozenset(self.exclude_tag), tuple(self.exclude_path_prefix), frozenset(self.exclude_method)
        )
        return SyncOptions(Selection(include, exclude), self.on_missing, self.force, self.dry_run)


class SkippedRead(Shown):
    """An operation of which no handler is made; ``*`` stands for all methods of its path."""

    method: str
    path: str
    reason: str


class WarningRead(Shown):
    """An oddity of the document: where it is, and what was made of it."""

    pointer: str = Field(description="A JSON Pointer; in another file, after that file's name and `#`.")
    message: str


class CandidateRead(Shown):
    method: str
    path: str
    operation_id: str | None


class PossibleRenameRead(Shown):
    """A missing handler, and the new operations that may be its own under another name."""

    handler_id: UUID
    name: str
    candidates: list[CandidateRead]


class DifferenceRead(Shown):
    """What changed for those who call an operation; ``where`` is the input, such as ``query/limit`` or
    ``body/address/street``, or nothing."""

    kind: Kind
    method: str
    path: str
    where: str
    before: object
    after: object
    breaking: bool = Field(description="Whether a request that was right may not be any more.")

    @classmethod
    def of(cls, one: Difference) -> Self:
        return cls(**asdict(one), breaking=one.is_breaking)


class ChangeRead(Shown):
    """What would happen to one handler; ``changes`` is what would be written, before and after."""

    action: Action
    id: UUID | None
    name: str
    method: str
    path: str
    changes: dict[str, object]
    breaking: bool = Field(description="Whether `differences` has a breaking one of this operation.")

    @classmethod
    def of(cls, change: HandlerChange, broken: AbstractSet[tuple[str, str]]) -> Self:
        return cls(
            action=change.action,
            id=change.handler.id if change.handler else None,
            name=change.name,
            method=change.method,
            path=change.path,
            changes={to_camel(column): values for column, values in differences(change).items()},
            breaking=change.handler is not None and (change.handler.method, change.handler.path) in broken,
        )


class SyncResult(Shown):
    created: int
    updated: int
    unchanged: int
    missing: int = Field(description="Handlers whose operation the document lacks, now or since earlier.")
    restored: int = Field(description="Of those updated: their operation was missing, and is back.")
    deleted: int = Field(description="Of those missing: deleted, as `onMissing` asked.")
    degraded: int = Field(description="Operations that refer to something the document does not hold.")
    unselected: int = Field(description="Operations that `include` and `exclude` leave out.")
    skipped: list[SkippedRead]
    warnings: list[WarningRead]
    possible_renames: list[PossibleRenameRead]
    document_hash: str = Field(description="SHA-256 of the document's bytes, in hexadecimal.")
    not_modified: bool = Field(description="The document is that of the last sync from the same source.")
    dry_run: bool
    differences: list[DifferenceRead] = Field(
        default_factory=list, description="From the document that was synced last. Of a dry run only."
    )
    handlers: list[ChangeRead] = Field(
        default_factory=list, description="The plan: what would happen to each handler. Of a dry run only."
    )

    @classmethod
    def of(cls, synced: Synced) -> Self:
        reading, plan = synced.arrived.reading, synced.plan
        plan_of_a_dry_run: Json = {}
        if synced.dry_run:
            broken = {(one.method, one.path) for one in reading.differences if one.is_breaking}
            plan_of_a_dry_run = {
                "handlers": [ChangeRead.of(change, broken) for change in synced.changes],
                "differences": [DifferenceRead.of(one) for one in reading.differences],
            }
        return cls(
            **synced.counts,
            degraded=synced.degraded,
            unselected=plan.unselected,
            skipped=[SkippedRead.model_validate(one) for one in plan.skipped],
            warnings=[WarningRead.model_validate(one) for one in (*reading.warnings, *plan.warnings)],
            possible_renames=[
                PossibleRenameRead(
                    handler_id=rename.handler.id,
                    name=rename.handler.name,
                    candidates=[CandidateRead.model_validate(one) for one in rename.candidates],
                )
                for rename in plan.possible_renames
            ],
            document_hash=reading.content_hash,
            not_modified=reading.is_known,
            dry_run=synced.dry_run,
            **plan_of_a_dry_run,
        )

    @property
    def is_settled(self) -> bool:
        """Whether the same sync, made again, would have nothing to do and little to say."""
        return not self.missing and len(self.skipped) <= MOST_SKIPPED

    def next(self) -> Json:
        """What the same sync would find now, as ``found_again`` takes it."""
        told = self.model_dump(mode="json", by_alias=True, exclude={"handlers", "differences"})
        unchanged = self.created + self.updated + self.unchanged
        return told | {"created": 0, "updated": 0, "restored": 0, "unchanged": unchanged}

    @classmethod
    def found_again(cls, told: object, *, dry_run: bool) -> Self:
        result = cls.model_validate(told)
        plan_of_a_dry_run: Json = {"handlers": [], "differences": []} if dry_run else {}
        return result.model_copy(update={"not_modified": True, "dry_run": dry_run, **plan_of_a_dry_run})
