import pytest

from app.handlers.bounds import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, excess


def nested(depth):
    value: object = 1
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


class TestExcess:
    @pytest.mark.parametrize(
        "value", [None, {}, [], "text", nested(MAX_DEPTH), [0] * 500, "x" * MAX_CHARACTERS]
    )
    def test_is_nothing_within_the_bounds(self, value):
        assert excess(value) is None

    @pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000])
    def test_is_depth(self, depth):
        assert excess(nested(depth)) == f"is nested deeper than {MAX_DEPTH} levels"

    def test_is_the_number_of_values(self):
        assert excess([[0] * 100] * (MAX_VALUES // 100)) == f"has more than {MAX_VALUES} values"

    @pytest.mark.parametrize(
        "value", ["x" * (MAX_CHARACTERS + 1), {"k" * (MAX_CHARACTERS + 1): 1}, ["x" * 40_000] * 2]
    )
    def test_is_the_length_of_keys_and_texts(self, value):
        assert excess(value) == f"has more than {MAX_CHARACTERS} characters"
