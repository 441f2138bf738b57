"""What the models of a handler's definition share."""

from typing import Annotated

from pydantic import Field

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
"""A token of RFC 9110, section 5.6.2."""

ValueKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]
"""The key of a credential or secret."""
