import pytest

from app.connectors.definition import Variable
from app.connectors.fields import check_pattern, check_url
from app.connectors.templates import ValueNotAllowed, filled

SHOP = Variable(label="Shop", pattern="^[a-z0-9][a-z0-9-]{0,62}$")
REGION = Variable(label="Region", pattern="^(com|eu)$", default="com")
URL = "https://{shop}.example.{region}/v1/{account}?x={account}"


class TestFilled:
    def test_puts_values_and_defaults_where_they_belong(self):
        values = {"shop": "acme", "account": "a/b c"}
        assert filled(URL, values, {"shop": SHOP, "region": REGION}) == (
            "https://acme.example.com/v1/a%2Fb%20c?x=a%2Fb%20c"
        )

    @pytest.mark.parametrize(
        "shop",
        [
            "",
            "evil.com#",
            "evil.com/",
            "evil.com?",
            "a@b",
            "a:b",
            "A",
            "a.b",
            "a\n",
            "127.0.0.1",
            "[::1]",
            "a%2f",
        ],
    )
    def test_lets_no_value_leave_its_place(self, shop):
        with pytest.raises(ValueNotAllowed, match="shop") as refused:
            filled(URL, {"shop": shop, "account": "1"}, {"shop": SHOP, "region": REGION})
        assert "evil" not in str(refused.value)

    def test_lets_no_value_of_a_provider_into_the_host(self):
        with pytest.raises(ValueNotAllowed, match="account may not stand in the host"):
            filled("https://{account}.example.com/", {"account": "a"}, {})

    def test_lets_no_value_climb(self):
        with pytest.raises(ValueNotAllowed, match="climb"):
            filled("https://a.example.com/v1/{account}/me", {"account": ".."}, {})

    def test_wants_every_value(self):
        with pytest.raises(ValueNotAllowed, match="account has no value"):
            filled("https://a.example.com/{account}", {}, {})


class TestUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com/",
            "https:///x",
            "https://u:p@example.com/",
            "https://example.com/#f",
            "https://example.com/a b",
            "https://example.com\\@evil.com/",
            "https://{sub domain}.example.com/",
            "https://{}.example.com/",
            "https://{a.example.com/",
            "ftp://example.com",
        ],
    )
    def test_that_credentials_must_not_go_to_is_refused(self, url):
        with pytest.raises(ValueError, match=r"must|placeholders"):
            check_url(url)


class TestPattern:
    @pytest.mark.parametrize("pattern", ["a", "^a", "a$", "^a$|b$", "^a|b$", "^($"])
    def test_has_to_hold_for_all_of_a_value(self, pattern):
        with pytest.raises(ValueError, match=r"anchored|expression"):
            check_pattern(pattern)

    def test_may_have_alternatives_in_parentheses(self):
        assert check_pattern("^(com|eu)$") == "^(com|eu)$"
