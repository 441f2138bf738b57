import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Fault
from app.core.secret import Secret
from app.core.templates import Renderer, UnknownReference
from app.handlers.arguments import Policy, faults, lay_over, policy, without_policy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.text(), JSON, max_size=4)


def renderer(**secrets):
    return Renderer({"credentials": {}, "secrets": {key: Secret(value) for key, value in secrets.items()}})


class TestFaults:
    @pytest.mark.parametrize("value", [1, 120_000])
    def test_accepts_a_timeout_up_to_two_minutes(self, value):
        assert faults({"timeout": value}) == []

    @pytest.mark.parametrize("value", [0, -1, 120_001, "30000", 1.5, None, True, [], {}])
    def test_points_at_a_timeout_that_is_none(self, value):
        assert faults({"timeout": value}) == [
            Fault("/defaultArgs/timeout", "Must be a whole number from 1 to 120000.")
        ]

    @pytest.mark.parametrize("value", [-1, 21, "3", False])
    def test_points_at_retries_that_are_none(self, value):
        assert faults({"retries": value}) == [
            Fault("/defaultArgs/retries", "Must be a whole number from 0 to 20.")
        ]

    def test_leaves_a_parameter_of_that_name_alone(self):
        assert faults({"timeout": "10s", "retries": "never"}, {"timeout", "retries"}) == []

    def test_points_at_defaults_that_are_too_large(self):
        assert [fault.pointer for fault in faults({"a": "x" * 70_000})] == ["/defaultArgs"]


class TestPolicy:
    def test_defaults_to_thirty_seconds_and_three_retries(self):
        assert policy({}) == Policy(timeout_ms=30_000, retries=3)

    def test_comes_from_the_defaults(self):
        assert policy({"timeout": 500, "retries": 0}) == Policy(timeout_ms=500, retries=0)

    def test_does_not_come_from_the_operations_own_parameters(self):
        assert policy({"timeout": 500, "retries": 1}, {"timeout"}) == Policy(timeout_ms=30_000, retries=1)


class TestWithoutPolicy:
    def test_leaves_what_is_for_the_upstream(self):
        defaults = {"timeout": 1, "retries": 2, "x": 3}
        assert without_policy(defaults) == {"x": 3}
        assert without_policy(defaults, {"timeout"}) == {"timeout": 1, "x": 3}


class TestLayOver:
    def test_merges_objects_deeply_and_lets_the_request_win(self):
        defaults = {"a": {"x": 1, "y": {"z": 2}}, "b": [1, 2], "c": "default", "d": {"k": 1}}
        request = {"a": {"y": {"w": 3}}, "b": [9], "d": "flat", "e": True}
        assert lay_over(defaults, request, renderer()) == {
            "a": {"x": 1, "y": {"z": 2, "w": 3}},
            "b": [9],
            "c": "default",
            "d": "flat",
            "e": True,
        }

    def test_lets_null_win_too(self):
        assert lay_over({"a": {"b": 1}}, {"a": None}, renderer()) == {"a": None}

    def test_renders_references_in_the_defaults(self):
        rendering = renderer(KEY="s3cret")
        resolved = lay_over({"auth": {"key": "{{secrets.KEY}}"}, "text": "Hi {{name}}"}, {}, rendering)
        assert resolved == {"auth": {"key": "s3cret"}, "text": "Hi {{name}}"}
        assert [secret.reveal() for secret in rendering.revealed] == ["s3cret"]

    def test_reveals_nothing_that_the_request_replaces(self):
        rendering = renderer(KEY="s3cret")
        assert lay_over({"key": "{{secrets.KEY}}"}, {"key": "own"}, rendering) == {"key": "own"}
        assert rendering.revealed == []

    def test_names_a_reference_to_nothing(self):
        with pytest.raises(UnknownReference, match=r"secrets\.MISSING"):
            lay_over({"key": "{{secrets.MISSING}}"}, {}, renderer())

    @given(OBJECT)
    def test_hands_the_request_through_unread(self, request_args):
        hostile = {"x": "{{secrets.KEY}}", "o": {"y": ["{{secrets.KEY}}"]}} | request_args
        rendering = renderer(KEY="s3cret")
        assert lay_over({"o": {"default": 1}}, hostile, rendering) == hostile | {
            "o": {"default": 1} | hostile["o"] if isinstance(hostile["o"], dict) else hostile["o"]
        }
        assert rendering.revealed == []

    @given(OBJECT, OBJECT)
    def test_holds_every_key_of_both(self, defaults, request_args):
        assert lay_over(defaults, request_args, renderer()).keys() == defaults.keys() | request_args.keys()

    def test_does_not_walk_a_deep_request(self):
        deep: object = "end"
        for _ in range(100_000):
            deep = [deep]
        assert lay_over({"a": {"b": 1}}, {"a": deep}, renderer())["a"] is deep
