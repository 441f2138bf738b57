import pytest

from app.connectors.asking import asked_fields
from app.connectors.definition import Connector

RECORD = {
    "slug": "shop",
    "name": "Shop",
    "variables": {
        "shop": {"label": "Your shop", "pattern": "^[a-z]+$"},
        "v": {"label": "V", "pattern": "^1$", "default": "1"},
    },
    "auth": {
        "apiKey": {"name": "X-Key"},
        "bearer": {},
        "basic": {"username": "Account", "passwordRequired": False},
        "custom": {"fields": [{"key": "SITE", "label": "Site", "secret": False}]},
    },
    "provenance": {"sources": 1, "newest": 2026},
}
VARIABLES = [("SHOP", False, True), ("V", False, False)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("api_key", [("API_KEY", True, True)]),
        ("bearer", [("ACCESS_TOKEN", True, True)]),
        ("basic", [("USERNAME", False, True), ("PASSWORD", True, False)]),
        ("custom", [("SITE", False, True)]),
        ("oauth2", []),
    ],
)
def test_asks_for_what_tells_accounts_apart_and_what_proves_them(kind, expected):
    found = asked_fields(Connector.model_validate(RECORD), kind)
    assert [(one.key, one.secret, one.required) for one in found] == VARIABLES + expected
