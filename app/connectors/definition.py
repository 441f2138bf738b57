"""A connector: everything that is known of one provider, in one record."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.connectors.fields import FieldPath, Key, Label, Params, Pattern, Slug, Text, Url, Word, placeholders
from app.connectors.oauth2 import OAuth2
from app.web.schemas import Definition

AuthKind = Literal["oauth2", "oauth1", "api_key", "bearer", "basic", "custom"]


class Variable(Definition):
    """A part of a URL that differs from account to account."""

    label: Label
    pattern: Pattern
    """What a value has to be, all of it. It decides where credentials go."""
    example: Label | None = None
    default: Label | None = None


class AskedField(Definition):
    """Something that a person is asked for."""

    key: Key
    label: Label
    secret: bool = True
    required: bool = True
    pattern: Pattern | None = None


class OAuth1(Definition):
    """RFC 5849."""

    request_url: Url
    authorize_url: Url
    token_url: Url
    signature_method: Literal["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT"] = "HMAC-SHA1"


class ApiKey(Definition):
    """A key in a header or the query; ``template`` puts it beside what else the value has."""

    place: Literal["header", "query"] = "header"
    name: Word
    template: Annotated[str, Field(pattern=r"^[^{}\x00-\x1f]*\{API_KEY\}[^{}\x00-\x1f]*$")] = "{API_KEY}"


class Bearer(Definition):
    """RFC 6750, section 2.1, with a token that a person was given."""


class Basic(Definition):
    """RFC 7617. What the provider calls the two."""

    username: Label = "User name"
    password: Label = "Password"
    password_required: bool = True


class Custom(Definition):
    """Fields that handlers refer to by themselves."""

    fields: Annotated[list[AskedField], Field(min_length=1, max_length=16)]


class Auth(Definition):
    """The ways in that a provider offers, the recommended one first. At least one."""

    oauth2: OAuth2 | None = None
    oauth1: OAuth1 | None = None
    api_key: ApiKey | None = None
    bearer: Bearer | None = None
    basic: Basic | None = None
    custom: Custom | None = None

    @property
    def kinds(self) -> list[AuthKind]:
        return [name for name in Auth.model_fields if getattr(self, name) is not None]  # type: ignore[misc]

    @model_validator(mode="after")
    def _offers_one(self) -> Self:
        if not self.kinds:
            raise ValueError("must offer a way in")
        return self


class Api(Definition):
    base_url: Url
    headers: Params = {}
    """That every request has to have."""


class Verification(Definition):
    """A request that tells whether credentials work, and whose they are."""

    method: Literal["GET", "POST"] = "GET"
    url: Url
    account_id: FieldPath | None = None
    account_label: FieldPath | None = None
    ok_when: dict[FieldPath, str | int | bool] = {}


class Provenance(Definition):
    """How much is known, and how surely."""

    sources: Annotated[int, Field(ge=0, le=100)]
    """Independent ones that agree."""
    newest: Annotated[int, Field(ge=2000, le=2100)]
    """Year of the newest."""
    assumed: Annotated[list[FieldPath], Field(max_length=16)] = []
    """Fields that no source states."""


class Connector(Definition):
    slug: Slug
    name: Label
    categories: Annotated[list[Slug], Field(max_length=8)] = []
    docs: Url | None = None
    variables: Annotated[dict[Word, Variable], Field(max_length=8)] = {}
    api: Api | None = None
    auth: Auth
    verify: Verification | None = None
    notes: Annotated[list[Text], Field(max_length=8)] = []
    """What whoever sets it up should know."""
    provenance: Provenance | None = None
    """Of a tenant's own there is none."""

    def urls(self) -> Iterator[tuple[str, str]]:
        """Every URL, with where it stands."""
        yield from _urls("", self.model_dump(exclude_none=True))

    def known_names(self) -> set[str]:
        """What URLs may name: variables, and what callback or answer bring along."""
        kept: list[str] = []
        if self.auth.oauth2 is not None:
            kept = [*self.auth.oauth2.callback.keep, *self.auth.oauth2.answer.keep]
        return {*self.variables, *(one.rpartition(".")[2] for one in kept)}

    @model_validator(mode="after")
    def _names_only_what_it_knows(self) -> Self:
        for place, url in self.urls():
            if unknown := [one for one in placeholders(url) if one not in self.known_names()]:
                raise ValueError(f"{place} names {unknown[0]}, which is no variable and not kept")
        return self


def _urls(place: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _urls(f"{place}.{key}".lstrip("."), one)
    elif isinstance(value, list):
        for one in value:
            yield from _urls(place, one)
    elif isinstance(value, str) and value.startswith("https://"):
        yield place, value
