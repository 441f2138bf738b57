"""What a person is asked for to connect an account, by way in."""

from collections.abc import Iterator

from app.connectors.definition import AskedField, AuthKind, Connector

API_KEY = AskedField(key="API_KEY", label="API key")
ACCESS_TOKEN = AskedField(key="ACCESS_TOKEN", label="Access token")


def asked_fields(connector: Connector, kind: AuthKind) -> list[AskedField]:
    """What tells accounts apart first, and then what proves who asks; of OAuth the provider asks for that."""
    return [*_of_variables(connector), *_of_kind(connector, kind)]


def _of_variables(connector: Connector) -> Iterator[AskedField]:
    for name, one in connector.variables.items():
        yield AskedField(
            key=name.upper(),
            label=one.label,
            secret=False,
            required=one.default is None,
            pattern=one.pattern,
        )


def _of_kind(connector: Connector, kind: AuthKind) -> list[AskedField]:
    auth = connector.auth
    if kind == "api_key":
        return [API_KEY]
    if kind == "bearer":
        return [ACCESS_TOKEN]
    if kind == "basic" and auth.basic is not None:
        return [
            AskedField(key="USERNAME", label=auth.basic.username, secret=False),
            AskedField(key="PASSWORD", label=auth.basic.password, required=auth.basic.password_required),
        ]
    return auth.custom.fields if kind == "custom" and auth.custom is not None else []
