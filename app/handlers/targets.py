"""What a handler does with a call: the `target` field of a handler.

    {"kind": "operation", ...}     an operation of a synced OpenAPI document
    {"kind": "http", ...}          a request put together from templates
    {"kind": "capability", ...}    a function of a connector
    {"kind": "store"}              keep the call and publish an event

Templates name `{{args.x}}`, `{{credentials.KEY}}` and `{{secrets.KEY}}`; see ``app.core.templates``.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, model_validator

from app.core.egress.headers import CONNECTION_HEADERS
from app.core.templates import check_header, check_url, parse
from app.handlers.bounds import excess
from app.handlers.fields import HeaderName
from app.web.schemas import Definition

TEMPLATE_NAMESPACES = frozenset({"args", "credentials", "secrets"})
DEFAULTS_NAMESPACES = frozenset({"credentials", "secrets"})
"""What the values of `defaultArgs` may refer to; nothing else in them is a template."""

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]
Location = Literal["path", "query", "header", "cookie", "querystring"]
Style = Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject"]
ParameterName = Annotated[str, Field(min_length=1, max_length=256)]
MediaType = Annotated[str, Field(min_length=1, max_length=256)]


def is_json(media_type: str) -> bool:
    """Whether a media type, parameters allowed, names JSON (RFC 8259, or the suffix of RFC 6839)."""
    essence = _essence(media_type)
    return essence in {"application/json", "text/json"} or essence.endswith("+json")


def is_form(media_type: str) -> bool:
    return _essence(media_type) == "application/x-www-form-urlencoded"


def is_multipart(media_type: str) -> bool:
    return _essence(media_type) == "multipart/form-data"


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _url(url: str) -> str:
    check_url(url, TEMPLATE_NAMESPACES, origin=DEFAULTS_NAMESPACES)
    return url


def _header_value(value: str) -> str:
    check_header(value, TEMPLATE_NAMESPACES)
    return value


def _header_name(name: str) -> str:
    if name.lower() in CONNECTION_HEADERS:
        raise ValueError("this header is set by the client that sends the request")
    return name


def _body(body: JsonValue) -> JsonValue:
    if problem := excess(body):
        raise ValueError(f"the body {problem}")
    _check_strings(body)
    return body


def _check_strings(value: JsonValue) -> None:
    if isinstance(value, str):
        parse(value, TEMPLATE_NAMESPACES)
    elif isinstance(value, dict):
        for item in value.values():
            _check_strings(item)
    elif isinstance(value, list):
        for item in value:
            _check_strings(item)


class Parameter(Definition):
    """One parameter of an operation (OpenAPI 3.1.1, section 4.8.12; `querystring` is 3.2's: all of the
    query)."""

    name: ParameterName
    location: Annotated[Location, Field(alias="in")]
    required: bool = False
    style: Style
    explode: bool
    content_type: MediaType | None = None
    """What a value is written as, instead of in a style: JSON, a form or text."""


class OperationBody(Definition):
    content_types: Annotated[list[MediaType], Field(max_length=64)]
    required: bool = False


class SecurityScheme(Definition):
    """One scheme a request needs: `scheme` is its name in the document, `in` and `name` place an API key,
    `httpScheme` is the name of RFC 9110, section 11.1."""

    scheme: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["http", "apiKey", "oauth2", "openIdConnect"]
    location: Annotated[Literal["header", "query", "cookie"] | None, Field(alias="in")] = None
    name: ParameterName | None = None
    http_scheme: Annotated[str, Field(max_length=64)] | None = None


class OperationTarget(Definition):
    """An operation of an OpenAPI document. `security` lists alternatives, each a list of what is needed
    together; `server` is the document's server URL as it stands there, for lack of one null."""

    kind: Literal["operation"]
    method: Method
    path: Annotated[str, Field(pattern=r"^/[^\x00-\x20?#\\]*$", max_length=2048)]
    parameters: Annotated[list[Parameter], Field(max_length=512)] = []
    body: OperationBody | None = None
    security: Annotated[
        list[Annotated[list[SecurityScheme], Field(max_length=16)]], Field(max_length=32)
    ] = []
    server: Annotated[str, Field(max_length=2048)] | None = None
    operation_id: Annotated[str, Field(max_length=512)] | None = None
    summary: Annotated[str, Field(max_length=2048)] | None = None


class HttpTarget(Definition):
    """A request put together from templates.

    `url` is absolute, or a path below the integration's `baseUrl`. Without `body` the arguments are the body;
    an object or list is sent as JSON, or as a form where the `Content-Type` header says so; a text is sent
    as it is rendered.
    """

    kind: Literal["http"]
    method: Method
    url: Annotated[str, Field(max_length=4096), AfterValidator(_url)]
    headers: Annotated[
        dict[
            Annotated[HeaderName, AfterValidator(_header_name)],
            Annotated[str, Field(max_length=8192), AfterValidator(_header_value)],
        ],
        Field(max_length=64),
    ] = {}
    body: Annotated[JsonValue, AfterValidator(_body)] = None

    @property
    def content_type(self) -> str | None:
        return next((value for name, value in self.headers.items() if name.lower() == "content-type"), None)

    @model_validator(mode="after")
    def _names_each_header_once(self) -> Self:
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise ValueError("headers must not contain the same name twice")
        return self

    @model_validator(mode="after")
    def _escapes_what_it_mixes(self) -> Self:
        """A value put into JSON or form text could add fields; put into an object it cannot."""
        if isinstance(self.body, str) and len(parse(self.body, TEMPLATE_NAMESPACES)) > 1:
            media_type = self.content_type or ""
            if is_json(media_type) or is_form(media_type):
                raise ValueError("a JSON or form body must be written as an object, not as text")
        return self


class CapabilityTarget(Definition):
    """A function of a connector, called in process."""

    kind: Literal["capability"]
    connector: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]


class StoreTarget(Definition):
    kind: Literal["store"]


Target = Annotated[OperationTarget | HttpTarget | CapabilityTarget | StoreTarget, Field(discriminator="kind")]
TARGET: TypeAdapter[Target] = TypeAdapter(Target)
"""Reads a stored target: ``TARGET.validate_python(row.target)``."""


def parameter_names(target: Target) -> Sequence[str]:
    """Names that the target's own operation takes, which are therefore no settings of ours."""
    return [parameter.name for parameter in target.parameters] if isinstance(target, OperationTarget) else ()
