import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.boot import Misconfigured
from app.core.crypto import MasterKey, new_key
from app.core.settings import Settings
from app.sealing import master_keys


def encoded(material):
    return base64.b64encode(material).decode()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def configured(folder):
    """Settings with a data folder of this test's own."""

    def make(**given):
        return Settings(data=folder, _env_file=None, **given)

    return make


class TestLoad:
    def test_finds_none_where_none_was_made(self, configured):
        assert master_keys.load(configured()) is None

    def test_takes_the_environment_before_the_file(self, configured):
        master_keys.create(configured())
        material = new_key()

        assert master_keys.load(configured(master_key=encoded(material))).active.id == MasterKey(material).id

    @pytest.mark.parametrize("form", [bytes.hex, encoded])
    def test_reads_hex_and_base64(self, configured, form):
        material = new_key()

        assert master_keys.load(configured(master_key=form(material))).active.id == MasterKey(material).id

    def test_reads_a_file_that_is_named(self, configured, tmp_path):
        material = new_key()
        file = tmp_path / "elsewhere.key"
        file.write_text(encoded(material) + "\n")

        assert master_keys.load(configured(master_key_file=file)).active.id == MasterKey(material).id

    def test_adds_the_former_keys(self, configured):
        active, former = new_key(), [new_key(), new_key()]
        settings = configured(
            master_key=encoded(active), master_keys_also_decrypt=tuple(encoded(key) for key in former)
        )

        assert master_keys.load(settings).ids == tuple(MasterKey(key).id for key in (active, *former))

    @pytest.mark.parametrize(
        ("given", "source"),
        [
            ({"master_key": "hunter2"}, "JACKFIELD_MASTER_KEY"),
            ({"master_keys_also_decrypt": ("hunter2",)}, "JACKFIELD_MASTER_KEYS_ALSO_DECRYPT"),
        ],
    )
    def test_names_the_setting_that_holds_no_key_and_not_its_value(self, configured, given, source):
        with pytest.raises(Misconfigured, match=rf"^{source}: a key is 32 bytes") as refusal:
            master_keys.load(configured(**given))

        assert "hunter2" not in str(refusal.value)

    @pytest.mark.parametrize("content", [b"", b"hunter2", b"\xff\xfe\x00", bytes(32)])
    def test_names_the_file_that_holds_no_key_and_not_its_content(self, configured, tmp_path, content):
        file = tmp_path / "bad.key"
        file.write_bytes(content)
        with pytest.raises(Misconfigured, match=r"bad\.key") as refusal:
            master_keys.load(configured(master_key_file=file))

        assert "hunter2" not in str(refusal.value)

    def test_names_a_file_that_cannot_be_read(self, configured, tmp_path):
        with pytest.raises(Misconfigured, match="cannot be read: Is a directory"):
            master_keys.load(configured(master_key_file=tmp_path))


class TestCreate:
    def test_makes_a_key_that_load_finds(self, configured):
        created = master_keys.create(configured())

        assert master_keys.load(configured()).ids == created.ids

    def test_lets_nobody_else_read_it(self, configured, folder):
        master_keys.create(configured())

        file = folder / "keys" / "master.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    def test_leaves_no_draft_behind(self, configured, folder):
        master_keys.create(configured())

        assert [file.name for file in (folder / "keys").iterdir()] == ["master.key"]

    def test_keeps_a_key_that_is_there(self, configured):
        first = master_keys.create(configured())

        assert master_keys.create(configured()).ids == first.ids

    def test_is_not_stopped_by_the_draft_of_a_process_that_was_killed(self, configured, folder):
        (folder / "keys").mkdir(parents=True)
        (folder / "keys" / f"master.key.{os.getpid()}").touch()

        assert master_keys.create(configured()).ids == master_keys.load(configured()).ids

    def test_gives_all_who_create_at_once_the_same_key(self, configured):
        settings = configured()
        with ThreadPoolExecutor(8) as threads:
            created = list(threads.map(lambda _: master_keys.create(settings).ids, range(8)))

        assert len(set(created)) == 1

    def test_names_a_place_where_nothing_can_be_written(self, configured, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(Misconfigured, match="cannot be made"):
            master_keys.create(configured(master_key_file=tmp_path / "file" / "master.key"))
