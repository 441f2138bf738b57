import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.url_path import climbs, quote_value


class TestQuoteValue:
    def test_leaves_no_delimiter(self):
        assert quote_value("a/b?c#d&e=f g%é") == "a%2Fb%3Fc%23d%26e%3Df%20g%25%C3%A9"

    @given(st.text())
    def test_adds_no_segment(self, value):
        assert not set(quote_value(value)) & set("/?#\\&;= ")


class TestClimbs:
    @pytest.mark.parametrize(
        "path",
        [
            "/a/../b",
            "/a/./b",
            "/..",
            "/%2e%2E/x",
            "/.%2e/x",
            "/%252e%252e/x",
            "/a/..%2Fb",
            "/a/..%5Cb",
            "/a/..;jsessionid=1/b",
            "/a/%2e%2e%3bx/b",
            "/a/..%20/b",
            "/a/..%09",
        ],
    )
    def test_sees_through_every_spelling(self, path):
        assert climbs(path)

    @pytest.mark.parametrize(
        "path", ["/", "/a/b", "/v1.2/x", "/...", "/a..b", "/file.tar.gz", "/%2525", "/.well-known/x"]
    )
    def test_lets_ordinary_dots_pass(self, path):
        assert not climbs(path)
