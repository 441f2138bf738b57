import base64
import os
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.crypto import (
    OVERHEAD,
    CannotOpen,
    DataKey,
    MasterKey,
    MasterKeys,
    Place,
    decode_key,
    key_id_of,
    new_key,
    to_text,
)

PLACE = Place(uuid4(), "secrets", "sealed", uuid4())


@pytest.fixture
def key():
    return DataKey(uuid4(), new_key())


class TestDataKey:
    @given(st.binary(max_size=200))
    def test_opens_what_it_sealed(self, plaintext):
        key = DataKey(uuid4(), new_key())
        sealed = key.seal(plaintext, PLACE)

        assert key.open(sealed, PLACE) == plaintext
        assert len(sealed) == len(plaintext) + OVERHEAD

    def test_seals_into_the_documented_envelope(self, key):
        sealed = key.seal(b"x", PLACE)

        assert OVERHEAD == 74
        assert sealed[:2] == b"\x01\x01"
        assert UUID(bytes=sealed[2:18]) == key.id == key_id_of(sealed)

    def test_never_seals_one_value_the_same_twice(self, key):
        assert key.seal(b"x", PLACE)[18:] != key.seal(b"x", PLACE)[18:]

    @pytest.mark.parametrize(
        "elsewhere",
        [
            replace(PLACE, tenant_id=uuid4()),
            replace(PLACE, table="credentials"),
            replace(PLACE, column="value"),
            replace(PLACE, row_id=uuid4()),
            replace(PLACE, table="secretss", column="ealed"),
        ],
        ids=["tenant", "table", "column", "row", "shifted letters"],
    )
    def test_opens_nothing_in_another_place(self, key, elsewhere):
        sealed = key.seal(b"x", PLACE)

        with pytest.raises(CannotOpen):
            key.open(sealed, elsewhere)

    def test_opens_nothing_that_lost_or_gained_a_bit(self, key):
        sealed = key.seal(b"value", PLACE)

        for position in range(len(sealed)):
            changed = bytearray(sealed)
            changed[position] ^= 1
            with pytest.raises(CannotOpen):
                key.open(bytes(changed), PLACE)

    @pytest.mark.parametrize("length", [0, 1, 17, 18, OVERHEAD - 1])
    def test_opens_nothing_that_is_too_short(self, key, length):
        with pytest.raises(CannotOpen):
            key.open(key.seal(b"value", PLACE)[:length], PLACE)

    def test_opens_nothing_of_another_key(self, key):
        other = DataKey(uuid4(), new_key())
        impostor = DataKey(key.id, new_key())
        sealed = key.seal(b"x", PLACE)

        for wrong in (other, impostor):
            with pytest.raises(CannotOpen):
                wrong.open(sealed, PLACE)

    def test_does_not_show_its_material(self):
        material = new_key()
        key = DataKey(UUID(int=1), material)

        assert repr(key) == f"DataKey({UUID(int=1)})"
        assert not hasattr(key, "__dict__")

    @pytest.mark.parametrize("size", [0, 16, 31, 33])
    def test_has_32_bytes(self, size):
        with pytest.raises(ValueError, match="32 bytes"):
            DataKey(uuid4(), bytes(size))


class TestKeyIdOf:
    @pytest.mark.parametrize("sealed", [b"", b"plaintext", b"\x02\x01" + bytes(80), b"\x01\x02" + bytes(80)])
    def test_is_known_of_version_1_envelopes_only(self, sealed):
        with pytest.raises(CannotOpen):
            key_id_of(sealed)


class TestToText:
    @given(st.binary(min_size=1, max_size=100))
    def test_is_url_safe_and_says_what_it_is(self, sealed):
        text = to_text(sealed)

        assert text.startswith("jfs1.")
        encoded = text.removeprefix("jfs1.")
        assert set(encoded) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        assert base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)) == sealed


class TestMasterKey:
    def test_unwraps_what_it_wrapped(self):
        key, material = MasterKey(new_key()), new_key()

        assert key.unwrap(key.wrap(material, "tenant key 1"), "tenant key 1") == material

    def test_unwraps_nothing_for_another_purpose(self):
        key = MasterKey(new_key())

        with pytest.raises(CannotOpen):
            key.unwrap(key.wrap(new_key(), "tenant key 1"), "tenant key 2")

    @pytest.mark.parametrize("wrapped", [b"", b"x", bytes(12), bytes(27), bytes(60)])
    def test_unwraps_nothing_else(self, wrapped):
        with pytest.raises(CannotOpen):
            MasterKey(new_key()).unwrap(wrapped, "p")

    def test_is_known_by_a_fingerprint_that_stays(self):
        material = new_key()

        assert MasterKey(material).id == MasterKey(material).id != MasterKey(new_key()).id
        assert MasterKey(bytes(32)).id == "a228858536e5a2be"
        assert repr(MasterKey(bytes(32))) == "MasterKey(a228858536e5a2be)"

    @pytest.mark.parametrize("size", [0, 16, 31, 33])
    def test_has_32_bytes(self, size):
        with pytest.raises(ValueError, match="32 bytes"):
            MasterKey(bytes(size))


class TestMasterKeys:
    def test_wrap_with_the_active_one(self):
        active, former = MasterKey(new_key()), MasterKey(new_key())
        keys = MasterKeys(active, [former])

        assert keys.wrap(new_key(), "p")[0] == active.id
        assert keys.ids == (active.id, former.id)

    def test_unwrap_with_any(self):
        former, material = MasterKey(new_key()), new_key()
        keys = MasterKeys(MasterKey(new_key()), [former])

        assert keys.unwrap(former.id, former.wrap(material, "p"), "p") == material

    def test_do_not_try_others_than_the_one_that_is_named(self):
        former = MasterKey(new_key())
        keys = MasterKeys(MasterKey(new_key()), [former])

        with pytest.raises(CannotOpen, match="is not configured"):
            keys.unwrap("0" * 16, former.wrap(new_key(), "p"), "p")


class TestDecodeKey:
    def test_reads_base64_and_hex(self):
        material = os.urandom(32)

        assert decode_key(base64.b64encode(material).decode()) == material
        assert decode_key(material.hex()) == material
        assert decode_key(f"  {material.hex().upper()}\n") == material

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "secret-of-mine",
            base64.b64encode(bytes(31)).decode(),
            base64.b64encode(bytes(33)).decode(),
            "g" * 64,
            "ä" * 64,
            "!" + base64.b64encode(bytes(32)).decode(),
        ],
    )
    def test_refuses_anything_else_without_repeating_it(self, text):
        with pytest.raises(ValueError, match=r"^a key is 32 bytes, in base64 or hex$"):
            decode_key(text)
