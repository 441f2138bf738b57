"""How a webhook proves who sent it: the `verification` field of a handler.

    {"scheme": "github"}                                  a preset, see ``app/signatures/presets.toml``
    {"scheme": "paypal", "webhookId": "1JE4…"}            one that has to be told more
    {"scheme": "hmac", "header": "X-Acme-Signature", "message": "v1:{raw}"}
    {"scheme": "ed25519", "header": "X-Acme-Signature"}   as hmac, with a public key; ecdsa-p256, rsa-sha256
    {"scheme": "jwt", "algorithms": ["RS256"], "jwksUrl": "https://…"}
    {"scheme": "bearer"}                                  an access token with `handlers:execute`
    {"scheme": "none"}                                    anybody may call it

`secretKey` names a secret of the handler's integration. What a verification means to the engine of
``app.signatures`` is its ``preset()``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, field_validator, model_validator

from app.handlers.generic_verification import (
    HmacVerification,
    JwtVerification,
    PublicKeyVerification,
    SignedVerification,
)
from app.handlers.scheme_parameters import parameters_model
from app.signatures.catalogue import UnknownScheme, preset_of
from app.signatures.presets import BEARER, NONE, Preset
from app.web.schemas import Definition

_OWN_SCHEMES: Final = {
    "hmac": "hmac",
    "ed25519": "public-key",
    "ecdsa-p256": "public-key",
    "rsa-sha256": "public-key",
    "jwt": "jwt",
    "bearer": "bearer",
    "none": "none",
}
"""The kind of verification of each scheme that is no preset."""


class PresetVerification(SignedVerification):
    """A published scheme, as `jackfield webhooks schemes` lists it, with the parameters that it declares."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"not": {"properties": {"scheme": {"enum": [*_OWN_SCHEMES]}}}}
    )

    scheme: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]

    @field_validator("scheme")
    @classmethod
    def _is_known(cls, scheme: str) -> str:
        try:
            preset_of(scheme)
        except UnknownScheme:
            raise ValueError("no such scheme; `jackfield webhooks schemes` lists them") from None
        return scheme

    @model_validator(mode="after")
    def _has_its_parameters(self) -> Self:
        read = parameters_model(self.scheme).model_validate(self.__pydantic_extra__)
        # Written out with their defaults, as those of every definition are.
        if self.__pydantic_extra__ is not None:
            self.__pydantic_extra__.update(read.stored())
        return self

    def preset(self) -> Preset:
        return preset_of(self.scheme, self.__pydantic_extra__).with_tolerance(self.tolerance_seconds)


class BearerVerification(Definition):
    """An access token of this tenant that grants `handlers:execute`."""

    scheme: Literal["bearer"]

    def preset(self) -> Preset:
        return BEARER


class NoVerification(Definition):
    """Anybody who knows the address may call it."""

    scheme: Literal["none"]

    def preset(self) -> Preset:
        return NONE


def _kind(value: Any) -> str | None:
    scheme = value.get("scheme") if isinstance(value, Mapping) else getattr(value, "scheme", None)
    return _OWN_SCHEMES.get(scheme, "preset") if isinstance(scheme, str) else None


Verification = Annotated[
    Annotated[PresetVerification, Tag("preset")]
    | Annotated[HmacVerification, Tag("hmac")]
    | Annotated[PublicKeyVerification, Tag("public-key")]
    | Annotated[JwtVerification, Tag("jwt")]
    | Annotated[BearerVerification, Tag("bearer")]
    | Annotated[NoVerification, Tag("none")],
    Discriminator(
        _kind,
        custom_error_type="scheme_missing",
        custom_error_message="scheme must name a way to verify",
    ),
]
VERIFICATION: TypeAdapter[Verification] = TypeAdapter(Verification)
"""Reads a stored verification: ``VERIFICATION.validate_python(row.verification)``."""


def default_verification(target_kind: str) -> BearerVerification | NoVerification:
    """Without a `verification`, only a `store` handler is open: no stranger spends a tenant's credentials."""
    if target_kind == "store":
        return NoVerification(scheme="none")
    return BearerVerification(scheme="bearer")
