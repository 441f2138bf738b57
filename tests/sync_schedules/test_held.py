from uuid import UUID

from app.core.ids import new_id
from app.openapi_sync.changes import Action
from app.openapi_sync.differences import Difference, Kind
from app.openapi_sync.holding import Held
from app.openapi_sync.identity import ExistingHandler
from app.sync_schedules import held

BASELINE = new_id()
REMOVED = Difference(Kind.INPUT_REMOVED, "GET", "/pets", "query/limit")


def waiting(*differences, handler_id=None, action=Action.UPDATE, name="list-pets"):
    handler = ExistingHandler(handler_id or new_id(), name, None, "GET", "/pets", {}, {}, {})
    return Held(action, handler, name, "GET", "/pets", differences, BASELINE)


class TestKept:
    def test_remembers_the_document_that_each_handler_last_agreed_with(self):
        one = waiting(REMOVED)
        assert held.baselines(held.kept([one], [])) == {one.handler.id: BASELINE}

    def test_of_a_handler_to_be_made_has_no_id(self):
        one = Held(Action.CREATE, None, "add-pet", "POST", "/pets", (), None)
        (entry,) = held.kept([one], [])
        assert (entry["id"], entry["baseline"]) == (None, None)
        assert held.baselines([entry]) == {}

    def test_repeats_what_was_told_where_nothing_can_be_compared_any_more(self):
        one = waiting(REMOVED)
        before = held.kept([one], [])
        again = Held(one.action, one.handler, one.name, one.method, one.path, None, BASELINE)
        assert held.kept([again], before) == before

    def test_is_bounded(self):
        many = [REMOVED] * 2 * held.MOST_OF_ONE
        entries = held.kept([waiting(*many) for _ in range(100)], [])
        told = [len(entry["differences"]) for entry in entries]
        assert max(told) == held.MOST_OF_ONE
        assert sum(told) == held.MOST_DIFFERENCES
        assert len(entries) == 100

    def test_has_no_long_values(self):
        long = Difference(Kind.VALUES_REMOVED, "GET", "/pets", "query/kind", ["x" * 2000], ["y"])
        (entry,) = held.kept([waiting(long)], [])
        assert (entry["differences"][0]["before"], entry["differences"][0]["after"]) == (None, ["y"])


class TestNews:
    def test_is_what_was_not_held_before(self):
        one, other = waiting(REMOVED), waiting(REMOVED)
        before = held.kept([one], [])
        after = held.kept([one, other], before)
        assert held.news(after, before) == [after[1]]

    def test_is_what_is_held_for_another_reason(self):
        one = waiting(REMOVED)
        before = held.kept([one], [])
        gone = waiting(REMOVED, handler_id=one.handler.id, action=Action.MARK_MISSING)
        after = held.kept([gone], before)
        assert held.news(after, before) == after

    def test_is_not_that_less_is_held_or_that_a_handler_was_renamed(self):
        one, other = waiting(REMOVED), waiting(REMOVED)
        before = held.kept([one, other], [])
        renamed = waiting(REMOVED, handler_id=one.handler.id, name="all-pets")
        assert held.news(held.kept([renamed], before), before) == []


class TestBriefly:
    def test_names_handlers_and_reasons(self):
        one = waiting(REMOVED, REMOVED)
        (told,) = held.briefly(held.kept([one], []))
        assert UUID(told.pop("id")) == one.handler.id
        assert told == {
            "name": "list-pets",
            "method": "GET",
            "path": "/pets",
            "action": "update",
            "kinds": ["input_removed"],
        }

    def test_names_no_more_than_a_hundred(self):
        assert len(held.briefly(held.kept([waiting() for _ in range(101)], []))) == 100
