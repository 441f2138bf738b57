"""What the models of a handler's definition share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
"""A token of RFC 9110, section 5.6.2."""

ValueKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]
"""The key of a credential or secret."""


class Definition(BaseModel):
    """camelCase on the wire, no coercion, no unknown field, no change once it is read."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    def stored(self) -> dict[str, object]:
        """As a column keeps it. Defaults are written out, so that a new default changes no old handler."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
