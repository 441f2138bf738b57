import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.base import is_same

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=1), inner, max_size=3),
    max_leaves=8,
)


class TestIsSame:
    @given(VALUES, VALUES)
    def test_agrees_with_the_text_of_the_values(self, one, other):
        same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

        assert is_same(one, other) == same

    @given(VALUES)
    def test_finds_a_copy_equal(self, value):
        assert is_same(value, json.loads(json.dumps(value)))

    @pytest.mark.parametrize(
        ("one", "other"), [(1, 1.0), (1e22, 10**22), ({"a": 1, "b": 2}, {"b": 2, "a": 1})]
    )
    def test_does_not_ask_how_a_value_is_written(self, one, other):
        assert is_same(one, other)

    @pytest.mark.parametrize(
        ("one", "other"), [(1, True), (0, False), (None, False), ([1], [True]), ({}, [])]
    )
    def test_tells_kinds_apart(self, one, other):
        assert not is_same(one, other)
        assert not is_same(other, one)
