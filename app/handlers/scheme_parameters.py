"""The fields that a preset asks for besides the secret, as a model that refuses all others."""

from functools import cache
from typing import Annotated, Any, Final

from pydantic import Field, create_model

from app.handlers.fields import HeaderName, ValueKey
from app.signatures.catalogue import preset_of
from app.signatures.presets import Parameter, ParameterKind
from app.web.schemas import Definition

Text = Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\x00-\x20\x7f]+$")]
Texts = Annotated[list[Text], Field(min_length=1, max_length=100)]

_KINDS: Final[dict[ParameterKind, Any]] = {
    "text": Text,
    "header": HeaderName,
    "url": Url,
    "list": Texts,
    "key": ValueKey,
}
_URL: Final = Parameter(kind="url", about="The address under which the sender knows the handler.")


@cache
def parameters_model(scheme: str) -> type[Definition]:
    """Raises ``UnknownScheme``. Every preset that signs the address also takes a ``url``."""
    preset = preset_of(scheme)
    declared = {**({"url": _URL} if preset.takes_url else {}), **preset.parameters}
    fields: dict[str, Any] = {name: _field(parameter) for name, parameter in declared.items()}
    return create_model("SchemeParameters", __base__=Definition, **fields)


def _field(parameter: Parameter) -> tuple[Any, Any]:
    kind = _KINDS[parameter.kind]
    if parameter.required:
        return kind, ...
    return (kind, parameter.default) if parameter.default is not None else (kind | None, None)
