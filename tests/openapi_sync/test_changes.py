from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.openapi_sync.changes import Action, columns, differences, handler_changes
from app.openapi_sync.identity import ExistingHandler
from app.openapi_sync.operation import OperationKind
from app.openapi_sync.options import OnMissing
from app.openapi_sync.plan import Plan, plan
from tests.openapi_sync.documents import operation

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


def handler(path="/pets", **more):
    target = operation("GET", path).target()
    fields = {"target": target, "default_args": {}, "baseline_args": {}, **more}
    return ExistingHandler(uuid4(), path.strip("/"), None, "GET", path, **fields)


def planned(existing, described, **options) -> Plan:
    return plan(
        existing,
        described,
        taken_names={one.name for one in existing},
        integration_name="sofa",
        force=True,
        **options,
    )


def changes(existing, described, on_missing=OnMissing.KEEP):
    return list(handler_changes(planned(existing, described), on_missing, NOW))


class TestCreation:
    def test_fills_arguments_and_remembers_them_as_the_documents_own(self):
        [change] = changes([], [operation(default_args={"limit": 20})])

        assert change.action is Action.CREATE
        assert change.handler is None
        assert change.after["default_args"] == change.after["baseline_args"] == {"limit": 20}
        assert change.after["methods"] == ["POST"]

    def test_lets_a_webhook_be_called_as_the_document_says(self):
        [change] = changes([], [operation("PUT", "webhooks/petBorn")])

        assert change.after["target"] == {"kind": OperationKind.STORE}
        assert change.after["methods"] == ["PUT"]

    def test_comes_in_the_order_of_names(self):
        made = changes([], [operation(path=path) for path in ("/c", "/a", "/b")])

        assert [change.name for change in made] == ["a", "b", "c"]


class TestUpdate:
    def test_holds_what_differs_only(self):
        [change] = changes([handler()], [operation(summary="Pets")])

        assert change.action is Action.UPDATE
        assert change.before.keys() == change.after.keys() == {"summary", "target"}
        assert (change.before["summary"], change.after["summary"]) == (None, "Pets")

    def test_is_none_when_nothing_differs(self):
        assert changes([handler()], [operation()]) == []


class TestRestoration:
    @pytest.mark.parametrize("summary", [None, "Pets"])
    def test_is_one_change_with_whatever_else_is_new(self, summary):
        [change] = changes([handler(missing_since=EARLIER)], [operation(summary=summary)])

        assert change.action is Action.RESTORE
        assert change.before["missing_since"] == EARLIER
        assert change.after["missing_since"] is None
        assert change.after.get("summary") == summary


class TestMissing:
    def test_is_marked_and_works_on(self):
        [change] = changes([handler()], [])

        assert (change.action, change.after) == (Action.MARK_MISSING, {"missing_since": NOW})

    def test_is_marked_once(self):
        assert changes([handler(missing_since=EARLIER)], []) == []

    def test_is_marked_and_disabled(self):
        [change] = changes([handler()], [], OnMissing.DISABLE)

        assert change.after == {"missing_since": NOW, "enabled": False}

    def test_keeps_its_mark_when_it_is_disabled_later(self):
        [change] = changes([handler(missing_since=EARLIER)], [], OnMissing.DISABLE)

        assert change.after == {"enabled": False}

    def test_is_left_alone_when_it_is_disabled_already(self):
        gone = handler(missing_since=EARLIER, enabled=False)

        assert changes([gone], [], OnMissing.DISABLE) == []

    def test_is_deleted_with_a_record_of_what_it_was(self):
        gone = handler(missing_since=EARLIER)
        [change] = changes([gone], [], OnMissing.DELETE)

        assert (change.action, change.after) == (Action.DELETE, {})
        assert change.before == {"name": gone.name, **columns(gone)}


class TestDifferences:
    def test_are_json(self):
        [change] = changes([handler()], [])

        assert differences(change) == {"missing_since": {"before": None, "after": "2026-11-22T12:00:00.000Z"}}

    def test_leave_out_what_is_nobodys_business(self):
        [change] = changes([], [operation(default_args={"limit": 20})])

        assert "baseline_args" not in differences(change)
        assert differences(change)["default_args"] == {"before": None, "after": {"limit": 20}}
