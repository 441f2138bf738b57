import pytest

from app.core.egress.errors import ForbiddenHeader
from app.core.egress.headers import CONNECTION_HEADERS, check_headers


class TestCheckHeaders:
    @pytest.mark.parametrize("value", ["", "Bearer abc", "a\tb", "für", "日本", "=?x"])
    def test_accepts_what_stays_one_line(self, value):
        check_headers([("Authorization", value), ("Cookie", "a=b"), ("X-A", "1"), ("x-a", "2")])

    @pytest.mark.parametrize("name", sorted(CONNECTION_HEADERS))
    def test_refuses_headers_of_the_connection_in_any_case(self, name):
        with pytest.raises(ForbiddenHeader, match="set by the connection"):
            check_headers([(name.title(), "x")])

    @pytest.mark.parametrize("name", ["", " Host", "Host ", "Host:", "a b", "a\r\nb", "ä", "Ho\u017ft"])
    def test_refuses_names_that_are_no_token(self, name):
        with pytest.raises(ForbiddenHeader, match="header name"):
            check_headers([(name, "x")])

    @pytest.mark.parametrize("value", ["a\r\nHost: b", "a\n", "a\r", "a\x00", "\x1b", "\x7f", "\ud800"])
    def test_refuses_values_that_break_the_line_and_does_not_repeat_them(self, value):
        with pytest.raises(ForbiddenHeader) as refusal:
            check_headers([("X-Key", f"hunter2{value}")])
        assert "hunter2" not in refusal.value.detail
