import base64
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import pagination
from app.core.pagination import CursorNotValid, CursorSigner, Order, SortNotKnown, parse_order

SORTABLE = {"name": "folded_name", "createdAt": "created_at"}
SCOPE = "tenant /integrations sort=name"


@pytest.fixture
def signer():
    return CursorSigner(b"k" * 32)


def refused(signer, cursor, scope=SCOPE):
    with pytest.raises(CursorNotValid) as refusal:
        signer.decode(cursor, scope)
    return [fault.pointer for fault in refusal.value.errors] == ["/query/cursor"]


class TestParseOrder:
    def test_translates_wire_names_to_columns(self):
        assert parse_order("name", SORTABLE) == Order("folded_name")
        assert parse_order("-createdAt", SORTABLE) == Order("created_at", descending=True)

    @pytest.mark.parametrize("text", ["", "-", "--name", "folded_name", "Name", "name,createdAt", "+name"])
    def test_refuses_what_is_not_sortable(self, text):
        with pytest.raises(SortNotKnown) as refusal:
            parse_order(text, SORTABLE)

        (fault,) = refusal.value.errors
        assert fault.pointer == "/query/sort"
        assert "createdAt, name" in fault.message


class TestCursorSigner:
    @given(
        st.one_of(st.text(), st.integers(-(2**53), 2**53), st.datetimes(timezones=st.just(UTC))), st.uuids()
    )
    def test_reads_what_it_wrote(self, value, id):
        signer = CursorSigner(b"k" * 32)

        assert signer.decode(signer.encode((value, id), SCOPE), SCOPE) == (value, id)

    def test_keeps_microseconds(self, signer):
        place = (datetime(2026, 1, 1, 12, 0, 0, 123456, UTC), uuid4())

        assert signer.decode(signer.encode(place, SCOPE), SCOPE) == place

    def test_writes_what_fits_into_a_query(self, signer):
        cursor = signer.encode(("ä/?&=+" * 20, uuid4()), SCOPE)

        assert cursor.replace("-", "").replace("_", "").isalnum()

    def test_refuses_another_scope_and_another_key(self, signer):
        cursor = signer.encode(("a", uuid4()), SCOPE)

        assert refused(signer, cursor, SCOPE + "x")
        assert refused(CursorSigner(b"x" * 32), cursor)

    def test_does_not_mistake_where_the_scope_ends(self, signer):
        cursor = signer.encode(("a", uuid4()), "ab")
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        moved = base64.urlsafe_b64encode(raw[:16] + b"b\0" + raw[16:]).decode().rstrip("=")

        assert refused(signer, moved, "a")

    @given(
        st.one_of(
            st.text(max_size=100), st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode())
        )
    )
    def test_refuses_forgeries_of_any_form(self, cursor):
        assert refused(CursorSigner(b"k" * 32), cursor)

    def test_refuses_every_changed_byte(self, signer):
        cursor = signer.encode(("a", uuid4()), SCOPE)
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

        for position in range(len(raw)):
            changed = bytearray(raw)
            changed[position] ^= 1
            assert refused(signer, base64.urlsafe_b64encode(changed).decode().rstrip("="))

    def test_refuses_one_that_is_older_than_a_day(self, signer, monkeypatch):
        cursor = signer.encode(("a", uuid4()), SCOPE)
        issued = pagination.time.time()
        monkeypatch.setattr(pagination.time, "time", lambda: issued + 24 * 3600 - 1)
        signer.decode(cursor, SCOPE)
        monkeypatch.setattr(pagination.time, "time", lambda: issued + 24 * 3600 + 2)

        assert refused(signer, cursor)
