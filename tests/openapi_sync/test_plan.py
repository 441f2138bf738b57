import os
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from app.core.ids import new_id
from app.openapi_sync.document import read
from app.openapi_sync.errors import TooManyMissing
from app.openapi_sync.identity import ExistingHandler
from app.openapi_sync.oddities import Oddity
from app.openapi_sync.operation import Operation, Parameter, RequestBody, Skipped
from app.openapi_sync.operations import operations
from app.openapi_sync.plan import MAX_WARNINGS, Plan, Update, plan
from app.openapi_sync.selection import Criteria, Selection
from tests.openapi_sync.documents import operation

SPECS = os.environ.get("JACKFIELD_SPECS")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def query(name: str, default: object = None) -> Parameter:
    return Parameter(name, "query", required=False, style="form", explode=True, schema_default=default)


def synced(one: Operation, **more: object) -> ExistingHandler:
    """The handler that a sync made of an operation."""
    return ExistingHandler(
        **{
            "id": new_id(),
            "name": f"{one.method}-{one.path}".lower(),
            "operation_id": one.operation_id,
            "method": one.method,
            "path": one.path,
            "target": one.target(),
            "default_args": dict(one.default_args),
            "baseline_args": dict(one.default_args),
            "summary": one.summary,
            **more,
        }
    )


def planned(existing: list[ExistingHandler], *described: Operation | Skipped, **more: object) -> Plan:
    taken = {handler.name for handler in existing}
    return plan(existing, described, **{"taken_names": taken, "integration_name": "sofa", **more})


def only_update(existing: ExistingHandler, one: Operation) -> Update:
    result = planned([existing], one)
    [update] = result.update
    assert (result.create, result.missing, result.unchanged) == ((), (), ())
    return update


class TestFirstSync:
    def test_creates_a_handler_for_every_operation(self):
        one, other = operation(operation_id="a"), operation("POST", operation_id="b")
        result = planned([], one, other)
        assert [(made.name, made.operation) for made in result.create] == [("a", one), ("b", other)]

    def test_keeps_clear_of_the_tenants_names(self):
        [made] = planned([], operation(operation_id="a"), taken_names={"a"}).create
        assert made.name.startswith("a-")

    def test_passes_on_what_was_skipped(self):
        skipped = Skipped("GET", "/health", "because", is_deliberate=True)
        assert planned([], skipped).skipped == (skipped,)

    def test_adds_the_method_to_names_of_a_path_even_when_only_one_is_selected(self):
        only_get = Selection(include=Criteria(methods=frozenset({"GET"})))
        [made] = planned([], operation("GET"), operation("POST"), selection=only_get).create
        assert made.name == "pets-get"


class TestUnchanged:
    def test_plans_nothing(self):
        operations = [
            operation(path=f"/{n}", default_args={"a": n}, parameters=(query("a"),)) for n in range(9)
        ]
        handlers = [synced(one) for one in operations]
        result = planned(handlers, *operations)
        assert result.unchanged == tuple(handlers)
        assert (result.create, result.update, result.missing, result.restored) == ((), (), (), ())

    def test_does_not_mind_what_a_person_owns(self):
        one = operation(default_args={"a": 1}, parameters=(query("a"),))
        handler = synced(one, name="mine", default_args={"a": 2, "b": 3}, enabled=False)
        assert planned([handler], one).unchanged == (handler,)


class TestIdentity:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (operation(path="/a", operation_id="x"), operation(path="/a", operation_id="y")),
            (operation(path="/a", operation_id="x"), operation(path="/b", operation_id="x")),
            (operation("GET", "/a", "x"), operation("POST", "/a", "x")),
            (operation(path="/a/{id}", operation_id="x"), operation(path="/a/{petId}", operation_id="y")),
            (operation(path="/a/{id}"), operation(path="/a/{petId}")),
        ],
        ids=["id changed", "path changed", "method changed", "both, but for the parameter's name", "no id"],
    )
    def test_survives(self, before, after):
        handler = synced(before)
        update = only_update(handler, after)
        assert update.handler is handler
        assert update.changes["target"] == after.target()

    def test_prefers_the_path_when_id_and_path_point_to_different_handlers(self):
        by_id = synced(operation(path="/a", operation_id="x"))
        by_path = synced(operation(path="/b", operation_id="y"))
        result = planned([by_id, by_path], operation(path="/b", operation_id="x"))
        assert [update.handler for update in result.update] == [by_path]
        assert result.missing == (by_id,)
        assert [rename.handler for rename in result.possible_renames] == [by_id]

    def test_swaps_nothing_when_two_operations_swap_their_ids(self):
        handlers = [
            synced(operation(path="/a", operation_id="x")),
            synced(operation(path="/b", operation_id="y")),
        ]
        result = planned(
            handlers, operation(path="/a", operation_id="y"), operation(path="/b", operation_id="x")
        )
        assert [update.changes["operation_id"] for update in result.update] == ["y", "x"]
        assert all("operation_path" not in update.changes for update in result.update)

    def test_only_reports_a_rename_that_an_ambiguous_id_suggests(self):
        handler = synced(operation(path="/a", operation_id="x"))
        candidates = operation(path="/b", operation_id="x"), operation(path="/c", operation_id="x")
        result = planned([handler], *candidates)
        assert result.missing == (handler,)
        assert len(result.create) == 2
        [rename] = result.possible_renames
        assert (rename.handler, rename.candidates) == (handler, candidates)

    def test_only_reports_a_rename_that_an_erased_path_suggests_twice(self):
        handlers = [synced(operation(path="/a/{x}")), synced(operation(path="/a/{y}"))]
        result = planned(handlers, operation(path="/a/{z}"))
        assert result.missing == tuple(handlers)
        assert len(result.possible_renames) == 2

    def test_never_turns_a_webhook_into_a_call(self):
        handler = synced(operation("POST", "webhooks/x", "x"))
        result = planned([handler], operation("POST", "/x", "x"))
        assert (result.missing, len(result.create)) == ((handler,), 1)

    def test_lets_two_handlers_of_one_operation_both_follow_it(self):
        one = operation()
        handlers = [synced(one), synced(one, name="copy")]
        result = planned(handlers, operation(summary="New"))
        assert [update.handler for update in result.update] == handlers
        assert result.create == ()

    def test_does_not_depend_on_the_order_of_the_document(self):
        handlers = [synced(operation(path=f"/{n}/{{a}}", operation_id=f"o{n}")) for n in range(6)]
        changed = [operation(path=f"/{n}/{{b}}", operation_id=f"o{5 - n}") for n in range(6)]
        forward, backward = planned(handlers, *changed), planned(handlers, *reversed(changed))
        assert forward.update == backward.update


class TestUpdate:
    def test_names_only_the_columns_that_changed(self):
        update = only_update(synced(operation(summary="Old")), operation(summary="New"))
        assert set(update.changes) == {"summary", "target"}

    def test_carries_a_new_place(self):
        update = only_update(synced(operation(operation_id="x")), operation("POST", "/animals", "x"))
        assert update.changes["operation_method"] == "POST"
        assert update.changes["operation_path"] == "/animals"


class TestDefaultArgs:
    def merged(self, own: dict, before: dict, after: dict) -> dict[str, object]:
        """The changes, when schema defaults went from ``before`` to ``after`` under a person's ``own``."""
        names = tuple(query(name) for name in {**before, **after})
        handler = synced(operation(default_args=before, parameters=names), default_args=own)
        result = planned([handler], operation(default_args=after, parameters=names))
        return dict(result.update[0].changes) if result.update else {}

    @pytest.mark.parametrize(
        ("own", "before", "after", "merged"),
        [
            ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
            ({"a": 1}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
            ({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 1}, {"a": 1}),
            ({"a": 1, "mine": 3}, {"a": 1}, {"a": 2}, {"a": 2, "mine": 3}),
        ],
    )
    def test_follow_the_document_where_nobody_edited(self, own, before, after, merged):
        changes = self.merged(own, before, after)
        assert changes == {"default_args": merged, "baseline_args": after}

    @pytest.mark.parametrize(
        ("own", "before", "after"),
        [
            ({"a": 9}, {"a": 1}, {"a": 2}),
            ({}, {"a": 1}, {"a": 2}),
            ({"b": 9}, {}, {"b": 2}),
            ({"a": 9}, {"a": 1}, {}),
        ],
        ids=["changed", "removed", "added", "changed, and the default is gone"],
    )
    def test_stay_as_a_person_left_them(self, own, before, after):
        assert self.merged(own, before, after) == {"baseline_args": after}

    def test_keep_and_list_an_argument_whose_parameter_vanished(self):
        before = operation(parameters=(query("a"), query("b"), query("c")), default_args={"a": 1})
        handler = synced(before, default_args={"a": 1, "b": 2, "other": 3})
        update = only_update(handler, operation())
        assert update.changes["orphaned_args"] == ["a", "b"]
        assert "default_args" not in update.changes

    def test_list_it_until_the_parameter_returns_or_the_argument_goes(self):
        one = operation(parameters=(query("b"),))
        handler = synced(one, default_args={"a": 1}, orphaned_args=("a",))
        assert planned([handler], one).unchanged == (handler,)
        returned = only_update(handler, operation(parameters=(query("a"), query("b"))))
        assert returned.changes["orphaned_args"] == []
        gone = synced(one, default_args={}, orphaned_args=("a",))
        assert only_update(gone, one).changes == {"orphaned_args": []}

    def test_know_the_properties_of_the_body(self):
        body = RequestBody(("application/json",), required=True, properties=frozenset({"a"}))
        handler = synced(operation(parameters=(query("a"),)), default_args={"a": 1})
        assert "orphaned_args" not in only_update(handler, operation(body=body)).changes

    def test_do_not_let_a_vanished_parameter_drive_the_execution(self):
        before = operation(parameters=(query("timeout"),), default_args={"timeout": 5})
        update = only_update(synced(before), operation())
        assert update.changes["default_args"] == {}
        assert "orphaned_args" not in update.changes

    def test_are_left_alone_while_the_operation_is_degraded(self):
        before = operation(parameters=(query("a"),), default_args={"a": 1})
        update = only_update(synced(before), operation(is_degraded=True))
        assert set(update.changes) == {"target"}


class TestMissing:
    def test_marks_a_handler_once(self):
        handler = synced(operation())
        assert planned([handler]).missing == (handler,)
        marked = synced(operation(), missing_since=LONG_AGO)
        result = planned([marked])
        assert (result.missing, result.still_missing, result.unchanged) == ((), (marked,), ())

    def test_is_over_when_the_operation_returns(self):
        marked = synced(operation(), missing_since=LONG_AGO)
        result = planned([marked], operation())
        assert (result.restored, result.unchanged) == ((marked,), (marked,))

    @pytest.mark.parametrize("method", ["GET", "*"])
    def test_is_not_what_is_only_unreadable(self, method):
        handler = synced(operation())
        result = planned([handler], Skipped(method, "/pets", "the operation is not an object"))
        assert (result.missing, result.unchanged) == ((), (handler,))

    def test_is_what_the_document_leaves_out_on_purpose(self):
        handler = synced(operation())
        left_out = Skipped("GET", "/pets", "x-handler is false", is_deliberate=True)
        assert planned([handler], left_out).missing == (handler,)

    @pytest.mark.parametrize(
        ("total", "lost", "is_refused"), [(20, 6, False), (19, 6, True), (5, 5, False), (6, 6, True)]
    )
    def test_refuses_to_lose_more_than_five_and_thirty_percent(self, total, lost, is_refused):
        operations = [operation(path=f"/{n}") for n in range(total)]
        handlers = [synced(one) for one in operations]
        if is_refused:
            with pytest.raises(TooManyMissing) as caught:
                planned(handlers, *operations[lost:])
            assert caught.value.extra == {"missing": lost, "handlers": total}
        forced = planned(handlers, *operations[lost:], force=is_refused)
        assert len(forced.missing) == lost

    def test_does_not_count_those_that_were_missing_before(self):
        marked = [synced(operation(path=f"/old/{n}"), missing_since=LONG_AGO) for n in range(10)]
        live = [operation(path=f"/{n}") for n in range(10)]
        result = planned([*marked, *map(synced, live)], *live)
        assert (len(result.missing), len(result.still_missing)) == (0, 10)


class TestSelection:
    OPERATIONS = (
        operation("GET", "/pets", tags=("pets",)),
        operation("DELETE", "/pets/{id}", tags=("pets", "admin")),
        operation("GET", "/petsitters", tags=("people",)),
    )

    def chosen(self, **criteria: Criteria) -> list[tuple[str, str]]:
        result = planned([], *self.OPERATIONS, selection=Selection(**criteria))
        assert result.unselected == len(self.OPERATIONS) - len(result.create)
        return [(made.operation.method, made.operation.path) for made in result.create]

    def test_includes_by_any_tag(self):
        assert len(self.chosen(include=Criteria(tags=frozenset({"admin", "people"})))) == 2

    @pytest.mark.parametrize("prefix", ["/pets", "/pets/"])
    def test_includes_whole_segments_of_a_path(self, prefix):
        assert self.chosen(include=Criteria(path_prefixes=(prefix,))) == [
            ("GET", "/pets"),
            ("DELETE", "/pets/{id}"),
        ]

    def test_includes_what_meets_all_kinds(self):
        both = Criteria(tags=frozenset({"pets"}), methods=frozenset({"GET"}))
        assert self.chosen(include=both) == [("GET", "/pets")]

    def test_excludes_what_meets_any_kind(self):
        either = Criteria(tags=frozenset({"people"}), methods=frozenset({"DELETE"}))
        assert self.chosen(exclude=either) == [("GET", "/pets")]

    def test_leaves_handlers_outside_it_alone(self):
        handlers = [synced(one) for one in self.OPERATIONS]
        changed = [operation(one.method, one.path, summary="New", tags=one.tags) for one in self.OPERATIONS]
        selection = Selection(include=Criteria(tags=frozenset({"people"})))
        result = planned(handlers, *changed, selection=selection)
        assert [update.handler for update in result.update] == handlers[2:]
        assert (result.unchanged, result.missing, result.create) == (tuple(handlers[:2]), (), ())


class TestWarnings:
    def test_repeat_no_oddity_that_operations_share(self):
        shared = (Oddity("/paths/~1a/parameters/0", "odd"),)
        one, other = operation(warnings=shared), operation("POST", warnings=shared)
        assert planned([], one, other).warnings == shared

    def test_mention_an_operation_id_that_is_used_twice(self):
        result = planned([], operation(operation_id="a"), operation("POST", operation_id="a"))
        message = "2 operations have the id a"
        assert result.warnings == (
            Oddity("/paths/~1pets/get", message),
            Oddity("/paths/~1pets/post", message),
        )

    def test_end_with_a_count_when_there_are_too_many(self):
        many = tuple(Oddity(f"/{n}", "odd") for n in range(MAX_WARNINGS + 5))
        warnings = planned([], operation(warnings=many)).warnings
        assert len(warnings) == MAX_WARNINGS
        assert warnings[-1].message == "6 more warnings are not shown"


@pytest.mark.skipif(SPECS is None, reason="JACKFIELD_SPECS names no folder with real API descriptions")
class TestRealDescriptions:
    @pytest.mark.parametrize(
        "name", ["github-api.json", "kubernetes-1.12-swagger2.json", "openai.yaml", "cloudflare-2024-08.json"]
    )
    def test_are_unchanged_after_a_round_through_the_database(self, name):
        described = list(operations(read((Path(SPECS or "") / name).read_bytes())))
        first = planned([], *described)
        handlers = []
        for made in first.create:
            one = made.operation
            stored = orjson.loads(orjson.dumps([one.target(), one.default_args]))
            handlers.append(
                synced(one, name=made.name, target=stored[0], default_args=stored[1], baseline_args=stored[1])
            )
        again = planned(handlers, *reversed(described))
        assert len(again.unchanged) == len(handlers) == len({made.name for made in first.create})
        assert (again.create, again.update, again.missing) == ((), (), ())
